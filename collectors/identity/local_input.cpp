#include "collectors/identity/local_input.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::size_t kMaxSecret = std::size_t{64} << 10U;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}

  ~Descriptor() {
    if (number_ >= 0) {
      ::close(number_);
    }
  }

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;

  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

Error system_error(const std::string& path, int number) {
  const Errc code = number == ENOENT ? Errc::kNotFound : Errc::kIo;
  return Error{
      code,
      fmt::format("{}: {}", path, std::error_code(number, std::generic_category()).message())};
}

}  // namespace

Environment process_environment() {
  return [](const char* name) {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
    return std::string(value == nullptr ? "" : value);
  };
}

Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes, Links links) {
  const int no_links = links == Links::kRefuse ? O_NOFOLLOW : 0;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | no_links));
  struct stat facts{};
  if (file.number() < 0 || ::fstat(file.number(), &facts) != 0) {
    return system_error(path, errno);
  }
  if (!S_ISREG(facts.st_mode)) {
    return Error{Errc::kIo, path + ": not a regular file"};
  }
  std::string out(max_bytes + 1, '\0');  // one more shows that there is more
  std::size_t size = 0;
  while (size < out.size()) {
    const ssize_t count = ::read(file.number(), out.data() + size, out.size() - size);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return system_error(path, errno);
    }
    if (count == 0) {
      break;
    }
    size += static_cast<std::size_t>(count);
  }
  if (size > max_bytes) {
    return Error{Errc::kLimit, fmt::format("{}: larger than {} bytes", path, max_bytes)};
  }
  out.resize(size);
  return out;
}

Result<std::string> read_secret(const SecretSource& source, const Environment& environment) {
  std::string place = source.file;
  Result<std::string> text;
  if (!source.environment.empty()) {
    place = "$" + source.environment;
    text = environment(source.environment.c_str());
  } else {
    if (!source.credential.empty()) {
      const std::string directory = environment("CREDENTIALS_DIRECTORY");
      if (directory.empty()) {
        return Error{Errc::kNotFound,
                     fmt::format("systemd credential {}: CREDENTIALS_DIRECTORY is not set",
                                 source.credential)};
      }
      place = directory + "/" + source.credential;
    }
    text = read_small_file(place, kMaxSecret, Links::kFollow);
  }
  if (!text) {
    return text;
  }
  while (text->ends_with('\n') || text->ends_with('\r')) {
    text->pop_back();
  }
  if (text->empty()) {
    return Error{Errc::kNotFound, place + " is empty"};
  }
  return text;
}

}  // namespace plumbline::collectors
