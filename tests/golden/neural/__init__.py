"""Reference for the neural separators; tests/golden/make_neural.py runs it."""
