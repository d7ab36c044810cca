/* The C interface of turboquant: the engine, its sessions and samplers, and the KV cache's codec on its own.
 * Plain C99 over the C++ headers beside it; docs/api.md shows it at work.
 *
 * Errors. A function that can fail returns a tq_status and, where `error` is not NULL, fills it with one
 * sentence. Nothing aborts or prints, and no exception leaves a function. What a failed call says about its
 * output parameters is nothing, except for TQ_ERROR_BUFFER_TOO_SMALL.
 *
 * Handles are opaque. A tq_*_free() accepts NULL; a session or sampler keeps what it needs of its engine
 * alive, so the order of frees is free.
 *
 * Threads. An engine and a codec may be used from any number of threads at once, a session, a sampler and an
 * array of pages from one at a time. Sessions of one engine compute one after the other.
 *
 * Options are structs that grow at their end. tq_*_options_default() fills one; what a program that was
 * compiled against an older header does not know keeps its default.
 *
 * Text is UTF-8. Lengths are in bytes, without a terminating NUL. */
#ifndef TQ_TURBOQUANT_H
#define TQ_TURBOQUANT_H

#include <stddef.h>
#include <stdint.h>

#if defined(TQ_BUILDING_C_LIBRARY)
#define TQ_API __attribute__((visibility("default")))
#else
#define TQ_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* NOLINTBEGIN(readability-identifier-naming): names as C has them */

typedef int32_t tq_token;

/* Enumerations are int32_t, so that no value from outside is undefined. */
typedef int32_t tq_status;
enum {
  TQ_OK = 0,
  TQ_ERROR_IO = 1,           /* the operating system refused: missing file, no permission, short read */
  TQ_ERROR_BAD_FILE = 2,     /* the bytes are not a valid file of their kind */
  TQ_ERROR_UNSUPPORTED = 3,  /* valid, but a feature this build does not have */
  TQ_ERROR_BAD_ARGUMENT = 4, /* the caller asked for something impossible */
  TQ_ERROR_OUT_OF_MEMORY = 5,
  TQ_ERROR_CONTEXT_FULL = 6, /* the session has no room for more tokens */
  TQ_ERROR_INTERRUPTED = 7,
  TQ_ERROR_BUFFER_TOO_SMALL = 8, /* nothing was written but the size that is needed */
  TQ_ERROR_INTERNAL = 9          /* a bug of the library */
};

#define TQ_MAX_ERROR 1024

typedef struct tq_error {
  tq_status status;
  char message[TQ_MAX_ERROR]; /* UTF-8, terminated; longer messages are cut */
} tq_error;

TQ_API const char* tq_version(void);                 /* "0.1.0" */
TQ_API const char* tq_status_name(tq_status status); /* "bad argument" */

/* ---- Types of a KV cache ---- */

/* Ids of files: never reused. */
typedef int32_t tq_kv_type;
enum {
  TQ_KV_F16 = 1,
  TQ_KV_Q8_0 = 2,
  TQ_KV_Q4_0 = 3,
  TQ_KV_TURBO2 = 16,
  TQ_KV_TURBO3 = 17,
  TQ_KV_TURBO4 = 18,
  TQ_KV_TURBO2Q = 19,
  TQ_KV_TURBO3Q = 20,
  TQ_KV_TURBO25 = 21,
  TQ_KV_TURBO35 = 22
};

TQ_API size_t tq_kv_types(const tq_kv_type** types); /* how many there are, and where; best quality first */
TQ_API const char* tq_kv_type_name(tq_kv_type type); /* "turbo4"; NULL for what is no type */
TQ_API tq_status tq_kv_type_parse(const char* name, tq_kv_type* type, tq_error* error);

/* ---- Engine: one loaded model and the threads that run it ---- */

typedef struct tq_engine tq_engine;

typedef struct tq_engine_options {
  size_t struct_size;     /* set by tq_engine_options_default() */
  const char* model_path; /* a GGUF file */
  int64_t n_ctx;          /* tokens a session can hold; 0: the model's own context length */
  tq_kv_type type_k;      /* turbo4 */
  tq_kv_type type_v;      /* turbo4 */
  int32_t layer_adaptive; /* 0 to 7: preset that gives some layers a better type; 0 */
  int32_t n_threads;      /* 0: one a physical core */
  int32_t n_parallel;     /* the cache is reserved for so many full sessions; 1 */
  /* The text of a plan's file: a type for each layer, in place of the two types and the preset. NULL */
  const char* cache_plan_json;
  /* Folder that keeps computed pages of prompts for other engines with the same model and cache types, in
   * this process or the next one; made when it is not there. NULL: nothing is kept */
  const char* disk_cache_folder;
  uint64_t disk_cache_max_bytes; /* of all files in it; 10 GiB */
  /* Not 0: layers with a window (Gemma, Phi 3) keep all tokens, so that going back in a text never computes
   * it anew; the cache takes as much as without windows, and can be kept on disk. 0 */
  int32_t swa_full;
} tq_engine_options;

typedef struct tq_model_info {
  size_t struct_size;       /* set by the caller: sizeof(tq_model_info) */
  const char* architecture; /* these texts live as long as the engine */
  const char* name;
  const char* isa;               /* instruction set of the kernels in use: "avx512" */
  const char* cache_description; /* "K turbo4, V turbo4" */
  int64_t n_params;
  int64_t n_ctx_train;
  int64_t n_ctx; /* of sessions */
  int32_t n_layers;
  int32_t n_heads;
  int32_t n_kv_heads;
  int32_t head_dim;
  int32_t n_embd;
  int32_t n_vocab;
  int32_t n_threads;
  int32_t has_chat_template;
} tq_model_info;

TQ_API void tq_engine_options_init(tq_engine_options* options, size_t struct_size);
TQ_API tq_status tq_engine_load(const tq_engine_options* options, tq_engine** engine, tq_error* error);
TQ_API void tq_engine_free(tq_engine* engine);
TQ_API tq_status tq_engine_info(const tq_engine* engine, tq_model_info* info, tq_error* error);

/* ---- Text and tokens ---- */

enum {
  TQ_ENCODE_ADD_BOS = 1,      /* a beginning-of-text token, where the model wants one */
  TQ_ENCODE_PARSE_SPECIAL = 2 /* <|im_end|> and the like become that token: never for text of users */
};

/* Writes up to `capacity` tokens and sets *n_tokens to how many the text has; when they do not fit, nothing
 * is written and TQ_ERROR_BUFFER_TOO_SMALL returned. `tokens` may be NULL where capacity is 0. */
TQ_API tq_status tq_encode(const tq_engine* engine, const char* text, size_t n_bytes, int flags,
                           tq_token* tokens, size_t capacity, size_t* n_tokens, tq_error* error);

typedef struct tq_chat_message {
  const char* role;    /* "system", "user" or "assistant" */
  const char* content; /* both terminated */
} tq_chat_message;

/* The prompt for an assistant's next turn, by the model's own template; buffers as in tq_encode(). */
TQ_API tq_status tq_encode_chat(const tq_engine* engine, const tq_chat_message* messages, size_t n_messages,
                                tq_token* tokens, size_t capacity, size_t* n_tokens, tq_error* error);

/* The text of tokens; buffers as in tq_encode(), not terminated. The text of some tokens of many may begin or
 * end inside a character. */
TQ_API tq_status tq_decode(const tq_engine* engine, const tq_token* tokens, size_t n_tokens, char* text,
                           size_t capacity, size_t* n_bytes, tq_error* error);

/* 1 for a token that ends an answer, else 0. */
TQ_API int tq_is_end_of_generation(const tq_engine* engine, tq_token token);

/* ---- Session: one timeline of tokens with its compressed cache ---- */

typedef struct tq_session tq_session;

TQ_API tq_status tq_session_create(tq_engine* engine, tq_session** session, tq_error* error);
TQ_API void tq_session_free(tq_session* session);

/* Called for each newly computed position, in order. It must not call the session, nor throw. */
typedef void (*tq_logits_visitor)(void* user, int64_t position, const float* logits, size_t n_vocab);

/* Makes the cache hold exactly `tokens`: what it shares with them is kept, the rest computed; the last token
 * always is. *logits are those after it, [n_vocab], valid until the next call with this session. `visitor`
 * and `logits` may be NULL. With TQ_ERROR_CONTEXT_FULL the session is unchanged. */
TQ_API tq_status tq_session_sync(tq_session* session, const tq_token* tokens, size_t n_tokens,
                                 tq_logits_visitor visitor, void* user, const float** logits,
                                 tq_error* error);

/* Another session with the same tokens; they share cache memory until one of them writes. */
TQ_API tq_status tq_session_fork(const tq_session* session, tq_session** fork, tq_error* error);

/* The tokens and their cache to a file that appears when it is whole. An engine with the same model and cache
 * types restores it; a file that is not accepted leaves the session unchanged. */
TQ_API tq_status tq_session_save(const tq_session* session, const char* path, tq_error* error);
TQ_API tq_status tq_session_restore(tq_session* session, const char* path, tq_error* error);

/* How many tokens the cache holds, and where: valid until the next call that changes the session. */
TQ_API size_t tq_session_tokens(const tq_session* session, const tq_token** tokens);
TQ_API int64_t tq_session_n_ctx(const tq_session* session);
TQ_API size_t tq_session_kv_bytes(const tq_session* session);     /* of whole pages */
TQ_API size_t tq_session_kv_bytes_f16(const tq_session* session); /* what the same pages would take as f16 */

/* ---- Sampler: logits -> one token, the same for the same seed ---- */

typedef struct tq_sampler tq_sampler;

typedef struct tq_logit_bias {
  tq_token token;
  float bias; /* added to the logit; -INFINITY: never */
} tq_logit_bias;

/* Stages, definitions and defaults are those of llama.cpp's chain; docs/sampling.md explains each. */
typedef struct tq_sampler_options {
  size_t struct_size; /* set by tq_sampler_options_default() */
  uint64_t seed;      /* 0: from the system's entropy */
  float temperature;  /* 0.8; 0: always the most likely token */
  float dynamic_temperature_range;
  float dynamic_temperature_exponent;
  float top_p;       /* 0.95; 1: off */
  float min_p;       /* 0.05; 0: off */
  float typical_p;   /* 1: off */
  float top_n_sigma; /* below 0: off */
  float xtc_probability;
  float xtc_threshold;
  float repeat_penalty; /* 1: off */
  float frequency_penalty;
  float presence_penalty;
  float dry_multiplier; /* 0: off */
  float dry_base;
  float mirostat_tau;
  float mirostat_eta;
  int32_t top_k;          /* 40; 0: off */
  int32_t penalty_last_n; /* 64; 0: off, -1: all */
  int32_t dry_allowed_length;
  int32_t dry_penalty_last_n;
  int32_t mirostat;                         /* 0: off, 2: version 2 */
  const char* const* dry_sequence_breakers; /* NULL: "\n", ":", "\"" and "*" */
  size_t n_dry_sequence_breakers;
  const tq_logit_bias* logit_bias;
  size_t n_logit_bias;
  const char* grammar_gbnf; /* what an answer has to match; NULL: anything */
  const char* json_schema;  /* the same as a JSON schema; one of the two */
} tq_sampler_options;

TQ_API void tq_sampler_options_init(tq_sampler_options* options, size_t struct_size);
/* `engine` may be NULL where neither a grammar nor DRY's sequence breakers need its vocabulary. */
TQ_API tq_status tq_sampler_create(const tq_engine* engine, const tq_sampler_options* options,
                                   tq_sampler** sampler, tq_error* error);
TQ_API void tq_sampler_free(tq_sampler* sampler);

/* Begins another answer: grammar and mirostat start anew, the random numbers go on. */
TQ_API tq_status tq_sampler_start_answer(tq_sampler* sampler, tq_error* error);
/* history: the tokens so far, oldest first. */
TQ_API tq_status tq_sampler_sample(tq_sampler* sampler, const float* logits, size_t n_logits,
                                   const tq_token* history, size_t n_history, tq_token* token,
                                   tq_error* error);
TQ_API uint64_t tq_sampler_seed(const tq_sampler* sampler); /* the seed in use, to repeat a run */
/* A sampler in the same state: it goes on with the same random numbers. */
TQ_API tq_status tq_sampler_clone(const tq_sampler* sampler, tq_sampler** clone, tq_error* error);

/* ---- Generation: a prompt -> an answer ---- */

typedef int32_t tq_stop_reason;
enum {
  TQ_STOP_END = 0,     /* the model ended its answer */
  TQ_STOP_LENGTH = 1,  /* max_tokens */
  TQ_STOP_CONTEXT = 2, /* the context is full */
  TQ_STOP_CALLBACK = 3 /* a callback asked for it */
};

#define TQ_NO_TOKEN (-1)

typedef struct tq_generate_options {
  size_t struct_size; /* set by tq_generate_options_default() */
  int64_t max_tokens; /* -1: until the model ends or the context is full */
  /* Called with each token of the answer. `text`, of whole characters, is what became complete with it and
   * may be empty. An answer that ends inside a character ends with a call for TQ_NO_TOKEN and U+FFFD. Not 0:
   * stop. Callbacks may look at the session but not change it, and must not throw. */
  int (*on_token)(void* user, tq_token token, const char* text, size_t n_bytes);
  /* Called while a long prompt is computed. Not 0: stop. */
  int (*on_prompt)(void* user, int64_t n_done, int64_t n_prompt);
  void* user;
} tq_generate_options;

typedef struct tq_generate_result {
  size_t struct_size; /* set by the caller: sizeof(tq_generate_result) */
  tq_stop_reason stop;
  int64_t n_prompt;
  int64_t n_prompt_computed; /* the others were in the cache */
  int64_t n_generated;       /* without the token that ends the answer */
} tq_generate_result;

TQ_API void tq_generate_options_init(tq_generate_options* options, size_t struct_size);
/* Afterwards the session holds the prompt and the answer but for its last token. `options` and `result` may
 * be NULL. */
TQ_API tq_status tq_generate(tq_session* session, tq_sampler* sampler, const tq_token* prompt,
                             size_t n_prompt, const tq_generate_options* options, tq_generate_result* result,
                             tq_error* error);

/* ---- Codec: rows of floats <-> the cache's bytes, without an engine ----
 *
 * Rows of one head lie in pages of TQ_PAGE_ROWS, one behind the other; spec/turboquant.md specifies the
 * bytes, which are the same on every machine. Arrays of floats are dense, in row order. `pages` may have any
 * alignment, 64 bytes being quickest; pages_size is the size of the whole array, which every call checks. */

#define TQ_PAGE_ROWS 128

typedef struct tq_codec tq_codec;

/* head_dim: a multiple of 16 up to 1024 for turbo types (at least 32 for turbo25 and turbo35), of 32 for q8_0
 * and q4_0, of 2 for f16. */
TQ_API tq_status tq_codec_create(tq_kv_type type, int32_t head_dim, tq_codec** codec, tq_error* error);
TQ_API void tq_codec_free(tq_codec* codec);
TQ_API size_t tq_codec_row_bytes(const tq_codec* codec);
TQ_API size_t tq_codec_page_bytes(const tq_codec* codec); /* TQ_PAGE_ROWS rows */
/* Of an array of pages for n_rows; 0 when that is more than an address space holds. */
TQ_API size_t tq_codec_pages_size(const tq_codec* codec, size_t n_rows);

/* rows [n_rows, head_dim] become rows first_row, ... of the pages; others stay as they are. */
TQ_API tq_status tq_codec_encode(const tq_codec* codec, const float* rows, size_t n_rows, void* pages,
                                 size_t pages_size, size_t first_row, tq_error* error);
/* The reverse, as far as the type allows. */
TQ_API tq_status tq_codec_decode(const tq_codec* codec, const void* pages, size_t pages_size,
                                 size_t first_row, size_t n_rows, float* rows, tq_error* error);

/* Attention over the bytes as they are. Queries, rows and results are in the model's domain: rotations happen
 * inside.
 *
 * scores [n_queries, n_rows] = queries [n_queries, head_dim] . rows [first_row, first_row + n_rows) */
TQ_API tq_status tq_codec_score(const tq_codec* codec, const void* pages, size_t pages_size, size_t first_row,
                                size_t n_rows, const float* queries, size_t n_queries, float* scores,
                                tq_error* error);
/* mixed [n_queries, head_dim] = weights [n_queries, n_rows] . rows [first_row, first_row + n_rows) */
TQ_API tq_status tq_codec_mix(const tq_codec* codec, const void* pages, size_t pages_size, size_t first_row,
                              size_t n_rows, const float* weights, size_t n_queries, float* mixed,
                              tq_error* error);

/* ---- Options with their defaults ---- */

static inline tq_engine_options tq_engine_options_default(void) {
  tq_engine_options options;
  tq_engine_options_init(&options, sizeof options);
  return options;
}

static inline tq_sampler_options tq_sampler_options_default(void) {
  tq_sampler_options options;
  tq_sampler_options_init(&options, sizeof options);
  return options;
}

static inline tq_generate_options tq_generate_options_default(void) {
  tq_generate_options options;
  tq_generate_options_init(&options, sizeof options);
  return options;
}

/* NOLINTEND(readability-identifier-naming) */

#ifdef __cplusplus
}
#endif

#endif /* TQ_TURBOQUANT_H */
