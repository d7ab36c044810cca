// What was measured of a model's caches: the reports that `turboquant verify --out DIR` leaves.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tq::plan {

struct ModelIdentity {
  std::string name;  // as ModelInfo has it
  std::string architecture;
  std::int64_t n_params = 0;
};

struct Measured {
  double mean_kl = 0;  // nats, against f16
  double top1 = 0;
  std::int64_t n_tokens = 0;  // that it was measured on; 0: not said
  bool is_no_go = false;      // a gate of the report speaks against this cache
};

class Evidence {
 public:
  // What one report.json says of caches against f16, if it is of this model. Of two measurements of a cache
  // the one on more tokens counts. Returns whether the text was a report of the model.
  bool add_report(std::string_view json, const ModelIdentity& model);
  // The reports DIR/report.json and DIR/*/report.json that there are; what is no report is passed over.
  void add_folder(const std::string& folder, const ModelIdentity& model);

  // By CachePlan::describe(); nullptr when nothing is known.
  const Measured* find(const std::string& description) const;
  bool empty() const { return caches_.empty(); }

 private:
  void add(const std::string& description, const Measured& measured);

  std::map<std::string, Measured> caches_;
};

}  // namespace tq::plan
