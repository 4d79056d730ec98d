#include "daemon/web/health.hpp"

#include "tests/support/fakes.hpp"
#include "tests/support/held_worker.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace plumbline;
using daemon::HealthReport;
using daemon::Heartbeats;

namespace {

HealthReport report() {
  HealthReport made;
  made.now = core::from_micros(1'700'000'000'000'000);
  made.threads = {{{"io", std::chrono::seconds(0), false},
                   {"cpu", std::chrono::seconds(1), false},
                   {"storage", std::chrono::seconds(2), false}}};
  made.is_ready = true;
  made.collection.ended_at = made.now - std::chrono::seconds(60);
  made.oldest_evidence = {{"arg", made.now - std::chrono::seconds(90)}};
  core::CycleRow cycle;
  cycle.number = 7;
  cycle.kind = "details";
  cycle.committed_at = made.now - std::chrono::seconds(30);
  made.last_cycle = cycle;
  made.store_bytes = 4096;
  return made;
}

net::ServerRequest plain() {
  return {};
}

net::ServerRequest verbose() {
  net::ServerRequest request;
  request.query = "verbose";
  return request;
}

}  // namespace

TEST_CASE("in words: healthy, stuck, ready, not ready") {
  HealthReport state = report();
  CHECK(daemon::health_answer(state, plain()).status == 200);
  CHECK(daemon::health_answer(state, plain()).body == "Plumbline is Healthy.\n");
  CHECK(daemon::readiness_answer(state, plain()).body == "Plumbline is Ready.\n");

  state.collection.sign_in_error = "no identity";
  CHECK(daemon::health_answer(state, plain()).status == 200);
  const auto ready = daemon::readiness_answer(state, plain());
  CHECK(ready.status == 200);
  CHECK(ready.body == "Plumbline is Ready.\nCollection: Azure cannot be asked: no identity\n");

  state.threads[1] = {"cpu", std::chrono::seconds(61), true};
  state.threads[2] = {"storage", std::chrono::seconds(75), true};
  const auto stuck = daemon::health_answer(state, plain());
  CHECK(stuck.status == 503);
  CHECK(
      stuck.body ==
      "The cpu thread has not answered for 61 s.\nThe storage thread has not answered for 75 s.\n");
  CHECK(daemon::readiness_answer(state, plain()).status == 200);

  state.is_ready = false;
  const auto early = daemon::readiness_answer(state, plain());
  CHECK(early.status == 503);
  CHECK(early.body == "The last committed state is not served yet.\n");
}

TEST_CASE("in detail, for those who ask for it") {
  const auto answer = daemon::health_answer(report(), verbose());
  CHECK(answer.content_type == "application/json");
  CHECK(answer.status == 200);
  auto told = nlohmann::json::parse(answer.body);
  CHECK(told.at("version").is_string());
  told.erase("version");
  CHECK(told == nlohmann::json::parse(R"({
    "time": "2023-11-14T22:13:20Z", "healthy": true, "ready": true,
    "threads": {"io": {"stuck": false, "silent_seconds": 0},
                "cpu": {"stuck": false, "silent_seconds": 1},
                "storage": {"stuck": false, "silent_seconds": 2}},
    "sign_in": {"ok": true, "error": null},
    "collection": {"pass_ended_at": "2023-11-14T22:12:20Z", "pass_running_seconds": null},
    "evidence": {"arg": {"oldest_at": "2023-11-14T22:11:50Z", "age_seconds": 90.0}},
    "last_cycle": {"number": 7, "kind": "details", "committed_at": "2023-11-14T22:12:50Z",
                   "age_seconds": 30.0, "complete": true},
    "store": {"size_bytes": 4096, "writable": true}})"));

  HealthReport state = report();
  state.threads[2].is_stuck = true;
  state.collection.sign_in_error = "bad \xff byte";
  state.collection.running_since = state.now - std::chrono::seconds(5);
  const auto bad = daemon::health_answer(state, verbose());
  CHECK(bad.status == 503);
  const auto body = nlohmann::json::parse(bad.body);
  CHECK(body.at("healthy") == false);
  CHECK(body.at("threads").at("storage").at("stuck") == true);
  CHECK(body.at("sign_in").at("ok") == false);
  CHECK(body.at("collection").at("pass_running_seconds") == 5.0);
  // Ready all the same: what was committed is served.
  CHECK(daemon::readiness_answer(state, verbose()).status == 200);

  // Before anything is known.
  HealthReport early;
  early.threads = report().threads;
  const auto nothing = nlohmann::json::parse(daemon::readiness_answer(early, verbose()).body);
  CHECK(nothing.at("sign_in").at("ok").is_null());
  CHECK(nothing.at("last_cycle").is_null());
  CHECK(nothing.at("evidence").empty());
  CHECK(nothing.at("ready") == false);
}

TEST_CASE("details are given by Accept, too") {
  const struct {
    const char* accept;
    bool json;
  } cases[] = {
      {"application/json", true},
      {"text/html, Application/JSON;q=0.9", true},
      {"*/*", false},
      {"text/plain", false},
      {"application/json-seq", false},
      {"", false},
  };

  for (const auto& test : cases) {
    CAPTURE(test.accept);
    net::ServerRequest request;
    request.headers.set("Accept", test.accept);
    CHECK((daemon::health_answer(report(), request).content_type == "application/json") ==
          test.json);
  }
}

TEST_CASE("a thread that is held shows as such, and the others do not") {
  tests::FakeClock clock;
  Heartbeats beats(clock);
  net::Worker io("io", 1);
  net::Worker cpu("cpu", 1);
  net::Worker storage("storage", 1);
  tests::HeldWorker busy(storage.executor());
  clock.advance(Heartbeats::kLimit + std::chrono::seconds(1));
  CHECK_FALSE(beats.healthy());
  beats.start(io.executor(), cpu.executor(), storage.executor());
  const auto fresh = [&](Heartbeats::Thread thread) {
    return beats.age(thread) < Heartbeats::kLimit;
  };
  // The first beat of each: given out by the I/O thread, then done by the thread it is about.
  tests::drain(io.executor());
  tests::drain(cpu.executor());
  tests::drain(io.executor());
  CHECK(fresh(Heartbeats::Thread::kIo));
  CHECK(fresh(Heartbeats::Thread::kCpu));
  CHECK_FALSE(fresh(Heartbeats::Thread::kStorage));
  CHECK_FALSE(beats.healthy());
  busy.release();
  tests::drain(storage.executor());
  CHECK(beats.healthy());
  // As the daemon ends: the I/O thread, to which the others' work refers, goes first.
  io.stop();
  io.join();
  cpu.join();
  storage.join();
}
