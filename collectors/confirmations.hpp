// Asking Resource Manager for single resources, so that what Resource Graph leaves out accuses
// nobody (truth 2).
#pragma once

#include "collectors/collection.hpp"
#include "core/model/confirmation.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::collectors {

/// What is kept of the answer to a GET: the columns that Resource Graph has, and what they speak
/// of. Fails with kParse when the answer is no resource.
[[nodiscard]] core::Result<core::Observation> parse_confirmation(
    std::string_view body,
    const core::ConfirmationRequest& request,
    const std::string& api_version,
    core::Time sent_at,
    const core::Normaliser& normaliser);

/// How long after the last of so many failures a resource is asked for again.
[[nodiscard]] std::chrono::minutes confirmation_delay(int failures);

struct ConfirmationOptions {
  std::size_t budget = 500;  // resources at a time; more wait for the next
  std::size_t parallel = 8;
  std::size_t per_cycle = 100;
  std::chrono::seconds renew_after{21600};
};

/// Used on the I/O thread.
class Confirmations {
 public:
  /// What is asked about is for others to say; called on the CPU thread.
  struct Questions {
    std::function<core::Result<core::PendingConfirmations>(
        core::Snapshot&,
        std::size_t limit,
        const std::function<bool(const std::string&)>& skip,
        std::optional<core::Time> renew_before)>
        pending;
    std::function<core::Result<core::ConfirmationOutcome>(
        core::Snapshot&, const std::vector<core::ConfirmationRequest>&)>
        outcome;
  };

  Confirmations(Collection parts, Questions questions, ConfirmationOptions options);

  struct Report {
    std::size_t asked = 0;
    std::vector<core::CycleRow> cycles;
  };

  /// Asks for what waits, within the budget, and commits the answers; `renew`: and for what was
  /// answered long ago. One at a time, and never while another cycle is in the making.
  net::Task<Report> run(bool renew);

  /// From the next `run` on.
  void set_options(const ConfirmationOptions& options) { options_ = options; }

  /// For good. From any thread.
  void cancel() { cancelled_ = true; }

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;

  struct Batch {
    std::vector<core::ConfirmationRequest> requests;
    std::vector<core::Observation> observations;
    std::vector<core::Evidence> evidence;
    bool is_complete = true;
    bool only_outages = true;  // nothing was learned of any resource
  };

  struct Failures {
    int count = 0;
    SteadyTime next;
  };

  /// `later`: keys of resources that are not to be asked for now.
  net::Task<core::Result<core::PendingConfirmations>> pending(std::size_t limit,
                                                              std::set<std::string> later,
                                                              bool renew);
  net::Task<void> ask(std::shared_ptr<Batch> batch, std::size_t index);
  net::Task<core::Result<net::HttpResponse>> get(core::ConfirmationRequest request,
                                                 std::string* api_version);
  net::Task<core::Result<core::CycleRow>> commit(std::shared_ptr<Batch> batch);
  net::Task<core::Status> report(std::shared_ptr<Batch> batch);

  Collection parts_;
  Questions questions_;
  ConfirmationOptions options_;
  std::map<std::string, std::string, std::less<>> api_versions_;  // by type: learned of a refusal
  std::map<std::string, Failures> failures_;                      // by resource
  std::atomic<bool> cancelled_ = false;
};

}  // namespace plumbline::collectors
