// GET /metrics: Prometheus' text format, https://prometheus.io/docs/instrumenting/exposition_formats/
#include <algorithm>
#include <string>

#include "server/llama/endpoints.h"

namespace tq::server::llama {
namespace {

class Page {
 public:
  void add(const char* type, const char* name, const char* help, double value) {
    const std::string full = std::string("turboquant:") + name;
    text_ += "# HELP " + full + " " + help + "\n# TYPE " + full + " " + type + "\n" + full + " " +
             number(value) + "\n";
  }
  // One value a label: `values[i]` of label="i".
  template <class Values>
  void add_by(const char* type, const char* name, const char* help, const char* label, const Values& values) {
    const std::string full = std::string("turboquant:") + name;
    text_ += "# HELP " + full + " " + help + "\n# TYPE " + full + " " + type + "\n";
    for (std::size_t i = 0; i < values.size(); ++i) {
      text_ +=
          full + "{" + label + "=\"" + std::to_string(i) + "\"} " + std::to_string(values[i].load()) + "\n";
    }
  }
  std::string take() { return std::move(text_); }

 private:
  static std::string number(double value) {
    const auto whole = static_cast<std::int64_t>(value);
    return static_cast<double>(whole) == value ? std::to_string(whole) : std::to_string(value);
  }
  std::string text_;
};

void add_disk_cache(Page& page, const DiskCacheStats& s) {
  const auto add = [&page](const char* type, const char* name, const char* help, std::uint64_t value) {
    page.add(type, name, help, static_cast<double>(value));
  };
  add("counter", "disk_cache_hit_tokens_total", "Tokens of prompts that were read from --cache-dir.",
      s.hit_tokens);
  add("counter", "disk_cache_read_bytes_total", "Bytes read for them.", s.read_bytes);
  add("counter", "disk_cache_written_bytes_total", "Bytes written to --cache-dir.", s.written_bytes);
  add("counter", "disk_cache_written_files_total", "Pages written, a file each.", s.written_files);
  add("counter", "disk_cache_dropped_total", "Pages not written: the disk was too slow or full.", s.dropped);
  add("counter", "disk_cache_damaged_total", "Files that could not be used.", s.damaged);
  add("gauge", "disk_cache_bytes", "Size of --cache-dir, all models.", s.bytes);
  add("gauge", "disk_cache_files", "Files in --cache-dir, all models.", s.files);
}

double per(double amount, double of) { return of > 0 ? amount / of : 0.0; }

}  // namespace

http::Response metrics(const ServedModel& model) {
  const Metrics& m = model.scheduler.metrics();
  const auto slots = model.scheduler.slots();
  const auto count = [](const std::atomic<std::uint64_t>& n) { return static_cast<double>(n.load()); };
  const double prompt_seconds = count(m.prompt_microseconds) / 1e6;
  const double decode_seconds = count(m.decode_microseconds) / 1e6;
  std::size_t kv_bytes = 0;
  std::size_t kv_bytes_f16 = 0;
  for (const SlotStatus& slot : slots) {
    kv_bytes += slot.kv_bytes;
    kv_bytes_f16 += slot.kv_bytes_f16;
  }
  Page page;
  page.add("counter", "prompt_tokens_total", "Tokens of prompts that were computed.", count(m.prompt_tokens));
  page.add("counter", "prompt_tokens_cached_total", "Tokens of prompts that were in the cache.",
           count(m.cached_tokens));
  page.add("counter", "prompt_seconds_total", "Time until first tokens.", prompt_seconds);
  page.add("counter", "tokens_predicted_total", "Tokens generated.", count(m.answer_tokens));
  page.add("counter", "tokens_predicted_seconds_total", "Time from first to last tokens.", decode_seconds);
  page.add("counter", "n_decode_total", "Forward passes.", count(m.steps));
  page.add("counter", "n_tokens_max", "Tokens of the longest prompt with its answer.", count(m.longest));
  page.add("gauge", "n_busy_slots_per_decode", "Requests in a forward pass, on average.",
           per(count(m.busy_slots), count(m.steps)));
  page.add("gauge", "prompt_tokens_seconds", "Prompt tokens a second, on average.",
           per(count(m.prompt_tokens), prompt_seconds));
  page.add("gauge", "predicted_tokens_seconds", "Generated tokens a second of a request, on average.",
           per(count(m.answer_tokens), decode_seconds));
  page.add("counter", "draft_tokens_total", "Guesses that were checked.", count(m.drafted_tokens));
  page.add("counter", "draft_accepted_tokens_total", "Guesses that were right.", count(m.accepted_tokens));
  page.add_by("counter", "draft_passes_total", "Checks by how many of their guesses were right.", "right",
              m.draft_passes);
  page.add("gauge", "requests_processing", "Requests in slots.",
           static_cast<double>(std::ranges::count(slots, true, &SlotStatus::is_busy)));
  page.add("gauge", "requests_deferred", "Requests that wait.",
           static_cast<double>(model.scheduler.queued()));
  page.add("counter", "requests_finished_total", "Answers that ended.", count(m.finished));
  page.add("counter", "requests_cancelled_total", "Answers whose client left.", count(m.cancelled));
  page.add("counter", "requests_failed_total", "Answers that failed.", count(m.failed));
  page.add("counter", "requests_refused_total", "Requests refused because the queue was full.",
           count(m.refused));
  page.add("gauge", "kv_cache_bytes", "Cache that slots hold; pages that they share count for each.",
           static_cast<double>(kv_bytes));
  page.add("gauge", "kv_cache_f16_bytes", "The same if it were f16.", static_cast<double>(kv_bytes_f16));
  if (const auto disk = model.engine.disk_cache()) add_disk_cache(page, *disk);
  return {.body = page.take(), .content_type = "text/plain; version=0.0.4"};
}

}  // namespace tq::server::llama
