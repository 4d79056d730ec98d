// Initiatives that assignments name by their Azure ids: fetched with their definitions, kept in the
// store, asked for again when they are old.
#pragma once

#include "collectors/azure_client.hpp"
#include "compliance/azure_initiative.hpp"
#include "config/settings.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/policy_definition.hpp"
#include "core/ports/store.hpp"
#include "net/task.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace plumbline::daemon {

struct FetchedInitiative {
  compliance::InitiativeFiles files;
  core::Time fetched_at;
};

/// By key_of their references.
struct FetchedInitiatives {
  std::map<std::string, FetchedInitiative> kept;
  std::map<std::string, std::string> failures;  // why those that are not kept could not be had

  [[nodiscard]] std::string why_not(const core::DefinitionReference& reference) const;
};

/// The initiative of an assignment that names one by its Azure id.
[[nodiscard]] std::optional<core::DefinitionReference> azure_initiative(
    const config::AssignmentConfig& assignment);
/// Of all assignments, each once, by key_of.
[[nodiscard]] std::map<std::string, core::DefinitionReference> azure_initiatives(
    const config::Settings& settings);

/// What the store keeps of those that the settings name. A damaged copy is left out, with the
/// reason among the failures.
[[nodiscard]] core::Result<FetchedInitiatives> known_initiatives(core::Snapshot& snapshot,
                                                                 const config::Settings& settings);

/// Asks for an initiative and all of its definitions, one after the other: the document to keep.
/// A definition that is not there or may not be read is kept as such; any other error fails all.
/// I/O thread; `azure` must outlive the task.
net::Task<core::Result<std::string>> fetch_initiative(collectors::AzureClient* azure,
                                                      net::Executor cpu,
                                                      core::DefinitionReference reference);

class InitiativeRefresh {
 public:
  /// Whether a document compiles for the assignments that name it; on the cpu threads.
  using Check = std::function<core::Status(const std::string& key, const FetchedInitiative&)>;

  struct Parts {
    collectors::AzureClient& azure;
    core::Store& store;
    const core::Clock& clock;
    core::Log& log;
    net::Executor cpu;
    net::Executor storage;
  };

  explicit InitiativeRefresh(Parts parts) : parts_(parts) {}

  /// Asks for those of the settings that are not kept or older than the settings allow. True if any
  /// is another than the one kept before. One that cannot be had, or that does not pass `check`,
  /// leaves what is kept. I/O thread.
  net::Task<bool> run(config::Settings settings, Check check);

  /// Why initiatives could not be had when they were last asked for, by key. Thread-safe.
  [[nodiscard]] std::map<std::string, std::string> failures() const;

 private:
  net::Task<core::Result<bool>> refresh(core::DefinitionReference reference,
                                        std::optional<std::string> kept,
                                        Check check);
  void note(const std::string& key, std::string failure);

  Parts parts_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> failures_;
};

}  // namespace plumbline::daemon
