// What Azure says of a change: when, by whom and with what.
#pragma once

#include "core/clock.hpp"

#include <string>
#include <vector>

namespace plumbline::core {

struct ChangeRecord {
  std::string id;    // Azure's own, unique
  std::string key;   // of the resource
  std::string type;  // of the resource, lower case
  Time at;           // by Azure's clock
  std::string kind;  // `Create`, `Update` or `Delete`
  std::string changed_by;
  std::string changed_by_type;
  std::string client_type;
  std::string operation;
  std::string correlation_id;
  std::vector<std::string> paths;  // `properties.x.y[0]`; of an update only
};

}  // namespace plumbline::core
