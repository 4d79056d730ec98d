// The store over SQLite.
#pragma once

#include "core/clock.hpp"
#include "core/ports/store.hpp"

#include <memory>
#include <string>

namespace plumbline::storage {

struct StoreOptions {
  std::string path;
  std::string key_file;  // empty: `<path>.key`
};

/// An open store and the redaction key that belongs to it.
struct OpenedStore {
  std::unique_ptr<core::Store> store;
  std::string redaction_key;
};

/// Opens or creates the database. Fails, with a message that names the file and without changing
/// it, with kBusy (another instance or program holds it), kNewerSchema, kCorrupt (not a database,
/// damaged), kInvalidArgument (another program's database), kNotFound (key missing) or kIo.
/// `clock` must outlive the store.
[[nodiscard]] core::Result<OpenedStore> open_store(const StoreOptions& options,
                                                   const core::Clock& clock);

}  // namespace plumbline::storage
