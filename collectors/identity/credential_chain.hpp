// Several ways of signing in, in order: the first one that exists here is kept.
#pragma once

#include "collectors/identity/credential.hpp"
#include "core/log.hpp"

#include <memory>
#include <string>
#include <vector>

namespace plumbline::collectors {

/// A member that is known not to exist, with the reason why: it takes its place in the error.
[[nodiscard]] std::unique_ptr<Credential> make_absent(std::string name, core::Error reason);

/// A member that gives a token is asked alone from then on. One that exists and is refused ends the
/// search: what is configured wrongly must not be covered by what comes after it.
[[nodiscard]] std::unique_ptr<Credential> make_chain(
    std::vector<std::unique_ptr<Credential>> members, core::Log& log);

}  // namespace plumbline::collectors
