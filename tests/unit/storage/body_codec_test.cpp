#include "storage/body_codec.hpp"

#include <doctest/doctest.h>

using namespace plumbline;

TEST_CASE("bodies survive compression, damaged ones are noticed") {
  const std::string body(10'000, 'x');
  const std::string compressed = storage::compress_body(body);
  CHECK(compressed.size() < 100);
  CHECK(storage::decompress_body(compressed).value() == body);
  CHECK(storage::decompress_body(storage::compress_body("")).value().empty());
  for (const std::string& damaged :
       {std::string(), std::string("not zstd"), compressed.substr(0, compressed.size() - 3)}) {
    const auto result = storage::decompress_body(damaged);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == core::Errc::kCorrupt);
  }
}

TEST_CASE("a body that was written before there was a dictionary is read") {
  std::string frame;
  constexpr std::string_view kHex = "28b52ffd201fa50000707b2261223a22706c61696e20227d0100994b12";
  for (std::size_t i = 0; i < kHex.size(); i += 2) {
    frame += static_cast<char>(std::stoi(std::string(kHex.substr(i, 2)), nullptr, 16));
  }
  CHECK(storage::decompress_body(frame).value() == R"({"a":"plain plain plain plain"})");
}

TEST_CASE("the dictionary knows the shapes of Azure's resources") {
  const std::string body =
      R"({"id":"/subscriptions/0f6f2e52-0b3a-4c2e-9d0a-6b1c7d9e4f10/resourceGroups/rg-orders/)"
      R"(providers/Microsoft.KeyVault/vaults/kv-orders-7","location":"westeurope","name":)"
      R"("kv-orders-7","properties":{"enableRbacAuthorization":true,"enableSoftDelete":true,)"
      R"("provisioningState":"Succeeded","publicNetworkAccess":"Disabled"},"resourceGroup":)"
      R"("rg-orders","subscriptionId":"0f6f2e52-0b3a-4c2e-9d0a-6b1c7d9e4f10","tags":{"env":)"
      R"("prod"},"type":"Microsoft.KeyVault/vaults"})";
  const auto compressed = storage::compress_body(body);
  CHECK(compressed.size() * 4 < body.size());
  CHECK(storage::decompress_body(compressed).value() == body);
}
