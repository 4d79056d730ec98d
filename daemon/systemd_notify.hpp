// The service manager's notification protocol (sd_notify(3)), by hand: one datagram.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace plumbline::daemon {

/// Sends `state` ("READY=1", "WATCHDOG=1", "STOPPING=1") to $NOTIFY_SOCKET; does nothing where
/// there is none. A failure is not reported: there is nobody to report it to.
void notify_service_manager(std::string_view state);

/// How often the watchdog must be fed ($WATCHDOG_USEC), if at all.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace plumbline::daemon
