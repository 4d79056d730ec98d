// Who is told of events, one after the other.
#pragma once

#include "events/event.hpp"
#include "net/task.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace plumbline::events {

struct Outcome {
  enum class Kind : std::uint8_t {
    kTaken,
    kFailed,   // may be taken another time
    kRefused,  // this event never will be
  };

  Kind kind = Kind::kTaken;
  std::string error{};                         // without secrets
  std::optional<std::chrono::seconds> wait{};  // that the receiver asks for
};

class Sink {
 public:
  virtual ~Sink() = default;

  /// Its key in the store and the label of its metrics: it never changes.
  [[nodiscard]] virtual std::string name() const = 0;
  /// For people: where its events go, without secrets.
  [[nodiscard]] virtual std::string target() const = 0;
  [[nodiscard]] virtual Filter filter() const = 0;
  /// How long an event is offered that is not taken.
  [[nodiscard]] virtual std::chrono::seconds give_up_after() const = 0;
  /// I/O thread, one at a time.
  virtual net::Task<Outcome> deliver(Event event) = 0;
};

}  // namespace plumbline::events
