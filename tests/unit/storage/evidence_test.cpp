#include "storage/evidence.hpp"

#include "core/signature.hpp"
#include "storage/past.hpp"
#include "tests/unit/storage/filled_store.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace plumbline;
using tests::FilledStore;
using tests::kVault;

namespace {

const std::string kOther = "/subscriptions/s2/resourcegroups/rg/providers/t/t/other";

std::string new_key() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(memory, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(memory, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(memory);
  EVP_PKEY_free(key);
  return pem;
}

std::string read(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// A verdict about every resource that changed: compliant in even cycles, gone with the resource.
core::Status judge(core::JudgeView& view, const core::CycleChanges& changes) {
  core::CheckRow check;
  check.assignment = "a";
  check.reference = "r";
  const auto row = view.put_check(check);
  REQUIRE(row);
  for (const auto& change : changes.resources) {
    const auto before = view.verdict(*row, change.row);
    REQUIRE(before);
    core::Transition transition;
    transition.check = *row;
    transition.resource = change.row;
    if (*before) {
      transition.from = (*before)->state;
    }
    if (change.new_version == 0) {
      REQUIRE(view.remove_verdict(*row, change.row));
    } else {
      core::Verdict verdict;
      verdict.check = *row;
      verdict.resource = change.row;
      verdict.state = changes.cycle % 2 == 0 ? core::ComplianceState::kCompliant
                                             : core::ComplianceState::kNonCompliant;
      verdict.version = change.new_version;
      verdict.since_cycle = changes.cycle;
      transition.to = verdict.state;
      REQUIRE(view.put_verdict(verdict));
    }
    REQUIRE(view.add_transition(transition));
  }
  return core::Status::ok();
}

struct Pack : FilledStore {
  Pack() {
    for (int i = 1; i <= 4; ++i) {
      sweep({vault(fmt::format(R"({{"n":{}}})", i)), observe(kOther, R"({"x":1})")}, judge);
      times.push_back(clock.now());
    }
    sweep({}, judge, {kOther});
    times.push_back(clock.now());
    request.store = path;
    request.from = core::Time::min();
    request.to = core::Time::max();
    request.directory = directory.file("pack");
    request.private_key = new_key();
    request.now = clock.now();
  }

  storage::EvidenceReport make() {
    std::filesystem::remove_all(request.directory);
    auto made = storage::write_evidence(request);
    REQUIRE_MESSAGE(made, made.error().message);
    return *made;
  }

  storage::EvidenceReport verify(const std::string& key = "") const {
    auto verified = storage::verify_evidence(request.directory, key);
    REQUIRE_MESSAGE(verified, verified.error().message);
    return *verified;
  }

  void sound() const {
    const auto report = verify();
    for (const auto& problem : report.problems) {
      FAIL_CHECK(problem);
    }
  }

  std::vector<core::Time> times;
  storage::EvidenceRequest request;
};

}  // namespace

TEST_CASE_FIXTURE(Pack, "a pack proves itself without its store") {
  const auto made = make();
  CHECK(made.first_cycle == 1);
  CHECK(made.last_cycle == 5);
  CHECK(made.versions == 5);
  CHECK(made.transitions == 6);
  CHECK(made.verdicts == 1);
  std::filesystem::rename(path, path + ".gone");
  const auto report = verify();
  CHECK(report.problems.empty());
  CHECK(report.versions == made.versions);
  CHECK(report.transitions == made.transitions);
  CHECK(report.verdicts == made.verdicts);
  CHECK(report.last_link == made.last_link);
  CHECK(report.key == made.key);
  CHECK(report.older_versions == 0);
  // The key of somebody else did not sign it.
  const auto own = read(request.directory + "/key.pem");
  CHECK(verify(own).problems.empty());
  request.directory = directory.file("other");
  std::filesystem::rename(path + ".gone", path);
  request.private_key = new_key();
  make();
  const auto foreign = verify(own);
  REQUIRE(foreign.problems.size() == 1);
  CHECK(foreign.problems.front().starts_with("manifest.json: is not signed by the key"));
}

TEST_CASE_FIXTURE(Pack, "a pack of a range and a scope") {
  request.from = times.at(1);
  request.to = times.at(3);
  request.scope = "/subscriptions/s1";
  const auto made = make();
  CHECK(made.first_cycle == 2);
  CHECK(made.last_cycle == 3);
  CHECK(made.versions == 3);  // one began before
  CHECK(made.older_versions == 1);
  CHECK(made.transitions == 2);
  CHECK(made.verdicts == 1);
  sound();
  CHECK_FALSE(read(request.directory + "/versions.jsonl").contains(kOther));
  request.scope = "/subscriptions/s";  // part of a name is no scope
  CHECK(make().versions == 0);
  sound();
  request.scope = kOther;
  request.from = core::Time::min();
  request.to = core::Time::max();
  CHECK(make().versions == 1);
  sound();
  request.from = times.back() + std::chrono::hours(1);
  std::filesystem::remove_all(request.directory);
  const auto nothing = storage::write_evidence(request);
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().code == core::Errc::kNotFound);
  CHECK_FALSE(std::filesystem::exists(request.directory));
}

TEST_CASE_FIXTURE(Pack, "every change of a pack is found, also by whoever can sign") {
  const auto replace =
      [&](const std::string& file, const std::string& from, const std::string& to) {
        auto text = read(request.directory + "/" + file);
        const auto at = text.find(from);
        REQUIRE(at != std::string::npos);
        write(request.directory + "/" + file, text.replace(at, from.size(), to));
      };
  const auto drop_line = [&](const std::string& file, int number) {
    std::istringstream lines(read(request.directory + "/" + file));
    std::string out;
    std::string line;
    for (int i = 0; std::getline(lines, line); ++i) {
      out += i == number ? "" : line + "\n";
    }
    write(request.directory + "/" + file, out);
  };

  struct Tampering {
    const char* what;
    std::function<void()> change;
  };

  const std::vector<Tampering> tamperings = {
      {"a body", [&] { replace("versions.jsonl", R"({"n":2})", R"({"n":9})"); }},
      {"a checksum", [&] { replace("versions.jsonl", R"("checksum":")", R"("checksum":"0)"); }},
      {"an end", [&] { replace("versions.jsonl", R"("to_cycle":2)", R"("to_cycle":null)"); }},
      {"a version less", [&] { drop_line("versions.jsonl", 2); }},
      {"a state", [&] { replace("transitions.jsonl", R"("to":"NonC)", R"("to":"C)"); }},
      {"a transition less", [&] { drop_line("transitions.jsonl", 1); }},
      {"a verdict", [&] { replace("verdicts.jsonl", R"("state":"C)", R"("state":"NonC)"); }},
      {"a verdict less", [&] { drop_line("verdicts.jsonl", 0); }},
      {"a row of the chain", [&] { replace("chain.jsonl", kOther, kOther + "x"); }},
      {"a row of the chain less", [&] { drop_line("chain.jsonl", 1); }},
      {"the last cycle less",
       [&] {
         auto text = read(request.directory + "/chain.jsonl");
         write(request.directory + "/chain.jsonl", text.substr(0, text.rfind(R"({"tag":"cycle")")));
       }},
      {"a cycle's time", [&] { replace("chain.jsonl", R"("test","17)", R"("test","16)"); }},
      {"no JSON", [&] { write(request.directory + "/chain.jsonl", "{\n"); }},
      {"a file more", [&] { write(request.directory + "/note.txt", "trust me"); }},
      {"a file less", [&] { std::filesystem::remove(request.directory + "/verdicts.jsonl"); }}};
  for (const auto& tampering : tamperings) {
    CAPTURE(tampering.what);
    make();
    sound();
    tampering.change();
    CHECK_FALSE(verify().problems.empty());
    // With the digests made anew and signed with the same key, the chain still tells; a file more
    // or less is then what was signed.
    const std::string what = tampering.what;
    if (what == "a file more" || what == "a file less") {
      continue;
    }
    auto manifest = read(request.directory + "/manifest.json");
    for (const auto* file : {"chain", "versions", "transitions", "verdicts"}) {
      const auto name = fmt::format("{}.jsonl", file);
      const auto digest = manifest.find("\"sha256\":\"", manifest.find(name)) + 10;
      manifest.replace(
          digest, 64, core::to_hex(core::sha256(read(request.directory + "/" + name))));
    }
    write(request.directory + "/manifest.json", manifest);
    write(request.directory + "/manifest.sig", *core::sign_ed25519(request.private_key, manifest));
    const auto report = verify();
    CHECK_FALSE(report.problems.empty());
    for (const auto& problem : report.problems) {
      CHECK_FALSE(problem.contains("is not signed"));
      CHECK_FALSE(problem.contains("is not the file that was signed"));
    }
  }
  make();
  replace("manifest.json", "\"made_at\":\"20", "\"made_at\":\"21");
  CHECK(verify().problems.front().starts_with("manifest.json: is not signed by the key"));
}

TEST_CASE_FIXTURE(Pack, "keys and places that will not do") {
  const auto refused = [&](core::Errc code) {
    const auto made = storage::write_evidence(request);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == code);
  };
  request.private_key = "no key";
  refused(core::Errc::kInvalidArgument);
  CHECK_FALSE(std::filesystem::exists(request.directory));
  request.private_key = new_key();
  std::filesystem::create_directory(request.directory);
  refused(core::Errc::kInvalidArgument);
  request.directory = "/nonexistent/pack";
  refused(core::Errc::kIo);
  CHECK_FALSE(storage::verify_evidence("/nonexistent/pack", ""));
}

TEST_CASE_FIXTURE(Pack, "a whole tenant at an instant") {
  auto state = storage::state_at(path, times.at(2));
  REQUIRE(state);
  CHECK(state->cycle == 3);
  CHECK(state->resources == 2);
  CHECK(state->subscriptions == 2);
  REQUIRE(state->counts.size() == 1);
  CHECK(state->counts.front().state == core::ComplianceState::kNonCompliant);
  CHECK(state->counts.front().count == 2);
  state = storage::state_at(path, times.at(1));
  REQUIRE(state);
  CHECK(state->counts.size() == 2);
  state = storage::state_at(path, times.back());
  REQUIRE(state);
  CHECK(state->resources == 1);
  CHECK(state->counts.front().count == 1);
  std::vector<std::string> found;
  REQUIRE(storage::for_each_at(path, times.at(2), [&](std::string_view key, std::string body) {
    found.push_back(std::string(key) + " " + body);
  }));
  CHECK(found == std::vector<std::string>{kOther + R"( {"x":1})", kVault + R"( {"n":3})"});
  CHECK(storage::state_at(path, times.front() - std::chrono::hours(1)).error().code ==
        core::Errc::kNotFound);
}
