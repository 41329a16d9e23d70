#ifndef X
#define X
#include "core/sp_base.h"
    typedef struct SpSeparatorConfig { int sample_rate; int channels /*1|2*/; int stems /*2|4|5*/; bool sum_to_mix; } SpSeparatorConfig;
typedef struct SpSeparator SpSeparator;
    const char *const *sp_stem_names(int stems);   /* in the order above; NULL for an unknown count */
    SpStatus sp_separator_new(const SpEnv *env, const SpSeparatorConfig *cfg, SpSeparator **out);
    SpStatus sp_separator_push(SpSeparator *s, const float *in /*interleaved*/, size_t frames);
    SpStatus sp_separator_finish(SpSeparator *s);
    size_t   sp_separator_pull(SpSeparator *s, float *const *out /*[stems] interleaved*/, size_t max_frames);
    void     sp_separator_free(SpSeparator *s);
#endif
