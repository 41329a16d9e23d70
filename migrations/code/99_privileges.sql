-- privileges: nothing for PUBLIC

REVOKE ALL ON ALL ROUTINES IN SCHEMA spotai, _spotai FROM PUBLIC;
REVOKE ALL ON SCHEMA spotai, _spotai FROM PUBLIC;
