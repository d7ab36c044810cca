/* Compiled as C99: the header is C, and a C program can do everything with it. */
#include "c_client.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tq/turboquant.h"

static int failures;

static void check(int condition, const char* what, int line, const tq_error* error) {
  if (condition) return;
  ++failures;
  printf("c_client.c:%d: %s (%s)\n", line, what, error->message);
}

#define CHECK(condition) check((condition), #condition, __LINE__, &error)
#define CHECK_OK(call) check((call) == TQ_OK, #call, __LINE__, &error)

struct answer {
  tq_token tokens[16];
  int n, stop_after, n_prompt_calls;
};

static int take_token(void* user, tq_token token, const char* text, size_t n_bytes) {
  struct answer* answer = user;
  (void)text;
  (void)n_bytes;
  if (token != TQ_NO_TOKEN && answer->n < 16) answer->tokens[answer->n++] = token;
  return answer->n == answer->stop_after;
}

static int count_prompt(void* user, int64_t n_done, int64_t n_prompt) {
  (void)n_done;
  (void)n_prompt;
  ((struct answer*)user)->n_prompt_calls++;
  return 0;
}

static void check_text(const tq_engine* engine) {
  tq_error error = {TQ_OK, ""};
  const char* text = "abc abc";
  char back[32];
  tq_token tokens[32];
  size_t n = 0, n_bytes = 0, i;
  CHECK(tq_encode(engine, text, 7, 0, NULL, 0, &n, &error) == TQ_ERROR_BUFFER_TOO_SMALL);
  CHECK(n > 0 && n <= 7);
  CHECK_OK(tq_encode(engine, text, 7, 0, tokens, 32, &n, &error));
  CHECK_OK(tq_decode(engine, tokens, n, back, sizeof back, &n_bytes, &error));
  CHECK(n_bytes == 7 && memcmp(back, text, 7) == 0);
  for (i = 0; i < n; ++i) CHECK(tq_is_end_of_generation(engine, tokens[i]) == 0);
}

static void check_session(tq_engine* engine, const char* path, int n_vocab) {
  tq_error error = {TQ_OK, ""};
  const tq_token prompt[] = {5, 17, 9, 200, 5, 17};
  const float* logits = NULL;
  const tq_token* held = NULL;
  float* first = malloc((size_t)n_vocab * sizeof *first);
  tq_session *session = NULL, *fork = NULL, *restored = NULL;
  CHECK_OK(tq_session_create(engine, &session, &error));
  CHECK_OK(tq_session_sync(session, prompt, 6, NULL, NULL, &logits, &error));
  memcpy(first, logits, (size_t)n_vocab * sizeof *first);
  CHECK(tq_session_tokens(session, &held) == 6 && memcmp(held, prompt, sizeof prompt) == 0);
  CHECK(tq_session_kv_bytes(session) > 0);
  CHECK(tq_session_kv_bytes(session) < tq_session_kv_bytes_f16(session));

  CHECK_OK(tq_session_fork(session, &fork, &error));
  CHECK_OK(tq_session_save(fork, path, &error));
  CHECK_OK(tq_session_create(engine, &restored, &error));
  CHECK_OK(tq_session_restore(restored, path, &error));
  CHECK(tq_session_tokens(restored, &held) == 6 && memcmp(held, prompt, sizeof prompt) == 0);
  tq_session_free(session); /* the others live on */
  CHECK_OK(tq_session_sync(fork, prompt, 6, NULL, NULL, &logits, &error));
  CHECK(memcmp(first, logits, (size_t)n_vocab * sizeof *first) == 0);
  tq_session_free(fork);
  tq_session_free(restored);
  free(first);
}

static void check_generation(tq_engine* engine) {
  tq_error error = {TQ_OK, ""};
  const tq_token prompt[] = {5, 17, 9};
  tq_sampler_options sampling = tq_sampler_options_default();
  tq_generate_options options = tq_generate_options_default();
  tq_generate_result result = {sizeof(tq_generate_result), -1, 0, 0, 0};
  struct answer answer = {{0}, 0, -1, 0};
  struct answer again = {{0}, 0, 2, 0};
  tq_session* session = NULL;
  tq_sampler *sampler = NULL, *clone = NULL;
  sampling.seed = 7;
  CHECK_OK(tq_session_create(engine, &session, &error));
  CHECK_OK(tq_sampler_create(NULL, &sampling, &sampler, &error));
  CHECK(tq_sampler_seed(sampler) == 7);
  CHECK_OK(tq_sampler_clone(sampler, &clone, &error));
  options.max_tokens = 5;
  options.on_token = take_token;
  options.on_prompt = count_prompt;
  options.user = &answer;
  CHECK_OK(tq_generate(session, sampler, prompt, 3, &options, &result, &error));
  CHECK(result.n_prompt == 3 && result.n_prompt_computed == 3 && answer.n_prompt_calls == 1);
  CHECK(result.n_generated == answer.n);
  CHECK(result.stop == TQ_STOP_LENGTH ? answer.n == 5 : result.stop == TQ_STOP_END);
  if (answer.n > 2) { /* the same random numbers, stopped by the callback */
    options.user = &again;
    CHECK_OK(tq_generate(session, clone, prompt, 3, &options, &result, &error));
    CHECK(result.stop == TQ_STOP_CALLBACK && result.n_generated == 2 && result.n_prompt_computed == 1);
    CHECK(memcmp(again.tokens, answer.tokens, 2 * sizeof(tq_token)) == 0);
  }
  tq_sampler_free(clone);
  tq_sampler_free(sampler);
  tq_session_free(session);
}

int c_client_engine(const char* model_path, const char* session_path) {
  tq_error error = {TQ_OK, ""};
  tq_engine* engine = NULL;
  tq_session* session = NULL;
  tq_model_info info;
  tq_engine_options options = tq_engine_options_default();
  const tq_token token = 5;
  failures = 0;
  CHECK(options.struct_size == sizeof options && options.type_k == TQ_KV_TURBO4);
  options.model_path = model_path;
  options.n_ctx = 64;
  options.n_threads = 1;
  options.n_parallel = 2;
  CHECK_OK(tq_engine_load(&options, &engine, &error));
  if (engine == NULL) return failures;
  info.struct_size = sizeof info;
  CHECK_OK(tq_engine_info(engine, &info, &error));
  CHECK(info.n_ctx == 64 && info.n_threads == 1 && strcmp(info.architecture, "llama") == 0);
  check_text(engine);
  check_session(engine, session_path, info.n_vocab);
  check_generation(engine);

  /* A session outlives the handle of its engine. */
  CHECK_OK(tq_session_create(engine, &session, &error));
  tq_engine_free(engine);
  CHECK_OK(tq_session_sync(session, &token, 1, NULL, NULL, NULL, &error));
  tq_session_free(session);
  return failures;
}

int c_client_codec(void) {
  enum { kRows = 130, kDim = 64 };
  tq_error error = {TQ_OK, ""};
  static float rows[kRows * kDim], back[kRows * kDim];
  tq_codec* codec = NULL;
  double noise = 0, energy = 0;
  size_t i, size;
  void* pages;
  failures = 0;
  for (i = 0; i < kRows * kDim; ++i) rows[i] = (float)((i * 7919 + 13) % 1009) / 504.0F - 1.0F;
  CHECK_OK(tq_codec_create(TQ_KV_TURBO4, kDim, &codec, &error));
  size = tq_codec_pages_size(codec, kRows);
  CHECK(size == 2 * tq_codec_page_bytes(codec));
  CHECK(tq_codec_row_bytes(codec) == kDim / 2 + 2);
  pages = calloc(1, size);
  CHECK_OK(tq_codec_encode(codec, rows, kRows, pages, size, 0, &error));
  CHECK_OK(tq_codec_decode(codec, pages, size, 0, kRows, back, &error));
  for (i = 0; i < kRows * kDim; ++i) {
    noise += pow(rows[i] - back[i], 2);
    energy += pow(rows[i], 2);
  }
  CHECK(noise / energy < 0.012 && noise / energy > 0.006); /* 0.0095: Lloyd-Max of 4 bits */
  free(pages);
  tq_codec_free(codec);
  return failures;
}
