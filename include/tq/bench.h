// Measures the KV codec and decode attention on this machine, without a model. Memory-bound work is set
// against the speed at which the same threads read memory, measured in turns with it: on a shared machine
// that changes from one second to the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tq/codec.h"
#include "tq/error.h"

namespace tq {

struct KernelBenchOptions {
  std::vector<KvType> types{kAllKvTypes.begin(), kAllKvTypes.end()};
  std::vector<std::string> isas = {};  // names; empty: the one in use (chosen_isa())
  int n_threads = 0;                   // 0: one a physical core
  double seconds = 0.3;                // of each measurement
};

// Reads all of a large buffer with all threads: bytes a second, best of several passes.
Expected<double> stream_bandwidth(int n_threads);

// Creating the codecs of every type and ISA asked for, and using each verb once: tables, signs and code are
// then in place. Cold only in a process that has not used them before.
Expected<double> codec_setup_seconds(const KernelBenchOptions& options, int head_dim);

struct CodecBenchOptions {
  KernelBenchOptions kernels;
  std::vector<int> head_dims = {64, 128, 256};
  int queries = 4;  // that share a KV head, 1 to 16
};

// encode and decode: one page in cache, one thread. score, mix and attend (both, page by page): all threads
// over more memory than the caches hold.
struct CodecTiming {
  std::string_view verb;
  KvType type;
  std::string_view isa;
  int head_dim;
  double ns_per_row;  // attend: of a row of K and one of V
  double bytes_per_second;
  double of_stream;  // 0 for encode and decode
};

Expected<void> bench_codec(const CodecBenchOptions& options,
                           const std::function<void(const CodecTiming&)>& visitor);

struct AttentionBenchOptions {
  KernelBenchOptions kernels;  // a type is that of K and V
  int n_heads = 32;
  int n_kv_heads = 8;
  int head_dim = 128;
  std::vector<std::int64_t> n_tokens = {32768};  // in the cache
  int n_rows = 1;                                // new tokens, at most 8
  float score_std = 1.0F;                        // standard deviation of the scores, which are Gaussian
  float sparse_v = 0.0F;                         // share of the weights that may be left out
};

// Attention of the new tokens of one sequence, in one layer.
struct AttentionTiming {
  KvType type;
  std::string_view isa;
  std::int64_t n_tokens;
  double seconds;
  double encode_seconds;  // storing the keys and values of one token
  double bytes;           // of K and V, read once
  double of_stream;       // their speed as a share of the stream's
};

Expected<void> bench_attention(const AttentionBenchOptions& options,
                               const std::function<void(const AttentionTiming&)>& visitor);

}  // namespace tq
