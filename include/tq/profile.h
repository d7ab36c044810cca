// Where the time of generating tokens goes, as the thread that asks for them sees it.
#pragma once

#include <cstdint>
#include <string>

namespace tq {

struct ProfileReport {
  double total = 0.0;      // seconds since the profile began
  double linear = 0.0;     // products with weights
  double attention = 0.0;  // over the cache
  double encode = 0.0;     // of new keys and values into the cache
  double sampling = 0.0;

  double other() const { return total - linear - attention - encode - sampling; }
};

// While one lives, the work that its thread starts or does is timed; one at a time a thread. Without one,
// nothing is.
class Profile {
 public:
  Profile();
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  ProfileReport report() const;

 private:
  std::int64_t begin_;
};

// "linear 61.0 %, attention 20.3 %, ...; 2.10 ms a step"
std::string describe(const ProfileReport& report, std::int64_t steps);

}  // namespace tq
