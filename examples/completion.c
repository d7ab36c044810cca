/* Continues a text, greedily, over the C interface.
 *   example_completion_c model.gguf "Once upon a time" [tokens] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tq/turboquant.h"

/* [completion] */
#define MAX_PROMPT 1024

static int print_token(void* user, tq_token token, const char* text, size_t n_bytes) {
  (void)token;
  fwrite(text, 1, n_bytes, user);
  return fflush(user); /* not 0: stop */
}

static tq_status complete(const char* model, const char* prompt, int n_tokens, tq_error* error) {
  tq_engine_options loading = tq_engine_options_default();
  tq_sampler_options sampling = tq_sampler_options_default();
  tq_generate_options generating = tq_generate_options_default();
  tq_engine* engine = NULL;
  tq_session* session = NULL;
  tq_sampler* sampler = NULL;
  tq_token tokens[MAX_PROMPT];
  size_t n = 0;
  tq_status status;

  loading.model_path = model;
  loading.n_ctx = 2048;
  loading.type_k = TQ_KV_Q8_0;
  loading.type_v = TQ_KV_TURBO4;
  sampling.temperature = 0.0F;
  generating.max_tokens = n_tokens;
  generating.on_token = print_token;
  generating.user = stdout;

  status = tq_engine_load(&loading, &engine, error);
  if (status == TQ_OK) status = tq_session_create(engine, &session, error);
  if (status == TQ_OK) status = tq_sampler_create(engine, &sampling, &sampler, error);
  if (status == TQ_OK)
    status = tq_encode(engine, prompt, strlen(prompt), TQ_ENCODE_ADD_BOS, tokens, MAX_PROMPT, &n, error);
  if (status == TQ_OK) status = tq_generate(session, sampler, tokens, n, &generating, NULL, error);

  tq_sampler_free(sampler);
  tq_session_free(session);
  tq_engine_free(engine);
  return status;
}
/* [completion] */

int main(int argc, char** argv) {
  tq_error error;
  if (argc < 3) {
    fprintf(stderr, "usage: example_completion_c MODEL PROMPT [TOKENS]\n");
    return 2;
  }
  if (complete(argv[1], argv[2], argc > 3 ? atoi(argv[3]) : 32, &error) != TQ_OK) {
    fprintf(stderr, "error: %s\n", error.message);
    return 1;
  }
  putchar('\n');
  return 0;
}
