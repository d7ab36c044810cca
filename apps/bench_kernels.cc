#include "bench_kernels.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "console.h"
#include "tq/bench.h"
#include "tq/version.h"

namespace tq::app {
namespace {

using Json = nlohmann::ordered_json;

// A line of cells, the first two to the left.
std::string table_row(std::initializer_list<std::string> cells) {
  std::string line;
  std::size_t column = 0;
  for (std::string cell : cells) {
    const bool left = column++ < 2;
    cell.resize(left ? std::max<std::size_t>(cell.size(), 10) : cell.size(), ' ');
    if (!left) cell.insert(0, cell.size() < 10 ? 10 - cell.size() : 0, ' ');
    line += cell + " ";
  }
  line.pop_back();
  return line + "\n";
}

std::string percent(double share) { return share > 0.0 ? fixed(100.0 * share, 0) + " %" : "-"; }

// Prints measurements as they come, or gathers them into one JSON object.
class Report {
 public:
  Report(bool json, std::string_view what) : json_(json) {
    object_["program"] = "turboquant " + std::string(kVersion);
    object_["bench"] = what;
  }

  void fact(const char* key, double value, const std::string& text) {
    object_[key] = value;
    before_rows_ += text + "\n";
  }
  void head(std::initializer_list<std::string> cells) {
    object_["results"] = Json::array();
    before_rows_ += table_row(cells);
  }
  void row(const Json& values, std::initializer_list<std::string> cells) {
    object_["results"].push_back(values);
    if (!json_) output_.write(std::exchange(before_rows_, {}) + table_row(cells));
  }
  int finish() {
    if (json_) output_.write(object_.dump() + "\n");
    return output_.finish(kExitOk);
  }

 private:
  bool json_;
  Json object_;
  std::string before_rows_;  // held back until there is a row: an error has nothing on stdout
  Output output_;
};

// What every table begins with.
Expected<void> report_machine(Report& report, const KernelBenchOptions& kernels, int head_dim) {
  const auto setup = codec_setup_seconds(kernels, head_dim);  // first: afterwards nothing is cold
  if (!setup) return setup.error();
  const auto stream = stream_bandwidth(kernels.n_threads);
  if (!stream) return stream.error();
  report.fact("setup_ms", *setup * 1e3,
              "set-up of all codecs, tables and first use: " + fixed(*setup * 1e3, 2) + " ms");
  report.fact("stream_gb_s", *stream / 1e9, "memory is read at " + fixed(*stream / 1e9, 1) + " GB/s");
  return {};
}

int run_codec(const CodecBenchOptions& options, bool json) {
  Report report(json, "codec");
  if (const auto ok = report_machine(report, options.kernels, options.head_dims.front()); !ok)
    return fail(ok.error());
  report.head({"verb", "type", "isa", "head_dim", "ns/row", "GB/s", "of stream"});
  const auto done = bench_codec(options, [&](const CodecTiming& t) {
    report.row({{"verb", t.verb},
                {"type", kv_type_name(t.type)},
                {"isa", t.isa},
                {"head_dim", t.head_dim},
                {"queries", options.queries},
                {"ns_per_row", t.ns_per_row},
                {"gb_s", t.bytes_per_second / 1e9},
                {"of_stream", t.of_stream > 0.0 ? Json(t.of_stream) : Json(nullptr)}},
               {std::string(t.verb), std::string(kv_type_name(t.type)), std::string(t.isa),
                std::to_string(t.head_dim), fixed(t.ns_per_row, 2), fixed(t.bytes_per_second / 1e9, 1),
                percent(t.of_stream)});
  });
  return done ? report.finish() : fail(done.error());
}

int run_attention(const AttentionBenchOptions& options, bool json) {
  Report report(json, "attention");
  if (const auto ok = report_machine(report, options.kernels, options.head_dim); !ok) return fail(ok.error());
  report.head({"type", "isa", "tokens", "us/layer", "ns/row", "GB/s", "of stream", "encode us", "of it"});
  const auto done = bench_attention(options, [&](const AttentionTiming& t) {
    const double ns_per_row = t.seconds * 1e9 / (static_cast<double>(t.n_tokens) * options.n_kv_heads);
    report.row({{"type", kv_type_name(t.type)},
                {"isa", t.isa},
                {"n_heads", options.n_heads},
                {"n_kv_heads", options.n_kv_heads},
                {"head_dim", options.head_dim},
                {"n_tokens", t.n_tokens},
                {"n_rows", options.n_rows},
                {"layer_us", t.seconds * 1e6},
                {"ns_per_row", ns_per_row},
                {"gb_s", t.bytes / t.seconds / 1e9},
                {"of_stream", t.of_stream},
                {"encode_us", t.encode_seconds * 1e6}},
               {std::string(kv_type_name(t.type)), std::string(t.isa), std::to_string(t.n_tokens),
                fixed(t.seconds * 1e6, 1), fixed(ns_per_row, 2), fixed(t.bytes / t.seconds / 1e9, 1),
                percent(t.of_stream), fixed(t.encode_seconds * 1e6, 2),
                fixed(100.0 * t.encode_seconds / t.seconds, 1) + " %"});
  });
  return done ? report.finish() : fail(done.error());
}

void add_kernel_options(CLI::App& command, KernelBenchOptions& kernels, bool& json) {
  command
      .add_option_function<std::vector<std::string>>(
          "--types",
          [&kernels](const std::vector<std::string>& names) {
            kernels.types.clear();
            for (const std::string& name : names) {
              const auto type = parse_kv_type(name);
              if (!type) throw CLI::ValidationError("--types", type.error().message);
              kernels.types.push_back(*type);
            }
          },
          "cache types, with commas [all]")
      ->delimiter(',')
      ->type_name("TYPE,...");
  command.add_option("--isa", kernels.isas, "instruction sets, with commas [the one in use]")
      ->delimiter(',')
      ->type_name("ISA,...");
  add_integer(
      command, "-t,--threads", [&kernels](std::int64_t n) { kernels.n_threads = static_cast<int>(n); }, 1,
      1024, "threads [one a physical core]");
  command.add_option("--seconds", kernels.seconds, "of each measurement [0.3]")
      ->check(is_number_between(0.0, 3600.0))
      ->type_name("X");
  command.add_flag("--json", json, "print one JSON object");
}

}  // namespace

void add_bench_codec_command(CLI::App& bench, Command& chosen) {
  struct Options {
    CodecBenchOptions bench;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = bench.add_subcommand("codec", "Measure encoding, decoding, scoring and mixing");
  command->footer("Example:\n  turboquant bench codec --types turbo4,q8_0 --head-dims 128 --isa avx2,avx512");
  add_kernel_options(*command, options->bench.kernels, options->json);
  command->add_option("--head-dims", options->bench.head_dims, "values of a row, with commas [64,128,256]")
      ->delimiter(',')
      ->check(CLI::Range(2, 1024))
      ->type_name("N,...");
  add_integer(
      *command, "--queries", [options](std::int64_t n) { options->bench.queries = static_cast<int>(n); }, 1,
      16, "query heads that share a row [4]");
  command->callback(
      [&chosen, options] { chosen = [options] { return run_codec(options->bench, options->json); }; });
}

void add_bench_attention_command(CLI::App& bench, Command& chosen) {
  struct Options {
    AttentionBenchOptions bench;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = bench.add_subcommand("attention", "Measure decode attention over long caches");
  command->footer(
      "Example:\n  turboquant bench attention --types turbo4,f16 --heads 9 --kv-heads 3 --head-dim 64\n\n"
      "bench/attention/compare.py sets it beside llama.cpp.");
  add_kernel_options(*command, options->bench.kernels, options->json);
  const auto size = [&](const char* name, int& value, std::int64_t most, const char* help) {
    add_integer(
        *command, name, [&value](std::int64_t n) { value = static_cast<int>(n); }, 1, most, help);
  };
  size("--heads", options->bench.n_heads, 4096, "query heads [32]");
  size("--kv-heads", options->bench.n_kv_heads, 4096, "heads of K and V [8]");
  size("--head-dim", options->bench.head_dim, 1024, "values of a row [128]");
  size("--rows", options->bench.n_rows, 8, "new tokens at once [1]");
  add_float(*command, "--score-std", options->bench.score_std, "standard deviation of the scores [1]")
      ->check(is_number_between(0.0, 1000.0));
  add_float(*command, "--sparse-v", options->bench.sparse_v, "share of the weights that may be left out [0]")
      ->check(is_number_between(0.0, 1.0));
  command->add_option("--tokens", options->bench.n_tokens, "in the cache, with commas [32768]")
      ->delimiter(',')
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24))
      ->type_name("N,...");
  command->callback(
      [&chosen, options] { chosen = [options] { return run_attention(options->bench, options->json); }; });
}

}  // namespace tq::app
