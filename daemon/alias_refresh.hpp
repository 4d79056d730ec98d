// What Azure says of aliases beyond the catalogue that ships: asked for once a day, kept in the
// store.
#pragma once

#include "collectors/azure_client.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/ports/store.hpp"
#include "net/task.hpp"
#include "policy/engine.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace plumbline::daemon {

/// The shipped catalogue under what the store keeps of Azure's answers. A kept answer that cannot
/// be read is left out with a warning: it will be asked for again.
[[nodiscard]] core::Result<std::shared_ptr<const policy::AliasCatalogue>> known_aliases(
    core::Store& store, core::Log& log);
/// The same of a store that is only read. Fails with kCorrupt, instead of leaving one out.
[[nodiscard]] core::Result<std::shared_ptr<const policy::AliasCatalogue>> known_aliases(
    core::Snapshot& snapshot);

class AliasRefresh {
 public:
  struct Parts {
    collectors::AzureClient& azure;
    core::Store& store;
    const core::Clock& clock;
    core::Log& log;
    net::Executor cpu;
    net::Executor storage;
  };

  explicit AliasRefresh(Parts parts) : parts_(parts) {}

  /// Asks for those of `providers` whose kept answer is older than a day, one after the other. True
  /// if any answer says something else than the one kept before, so that rules should be compiled
  /// again. A provider that cannot be asked keeps its old answer. I/O thread.
  net::Task<bool> run(std::set<std::string> providers);

 private:
  net::Task<core::Result<bool>> refresh(std::shared_ptr<const policy::AliasCatalogue> shipped,
                                        std::string provider,
                                        std::string kept);

  Parts parts_;
};

}  // namespace plumbline::daemon
