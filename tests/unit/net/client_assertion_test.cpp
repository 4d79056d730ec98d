#include "net/client_assertion.hpp"

#include "core/text.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

using namespace plumbline;
using namespace std::chrono_literals;
using net::AssertionAlgorithm;
using net::base64url_decode;
using net::base64url_encode;

namespace {

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  std::string out(data, static_cast<std::size_t>(size));
  BIO_free_all(memory);
  return out;
}

struct Pair {
  std::string key;
  std::string encrypted_key;
  std::string certificate;
};

Pair make_pair(EVP_PKEY* key) {
  Pair out;
  X509* const certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(memory, certificate);
  out.certificate = text_of(memory);
  X509_free(certificate);
  memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(memory, key, nullptr, nullptr, 0, nullptr, nullptr);
  out.key = text_of(memory);
  memory = BIO_new(BIO_s_mem());
  const std::string password = "p";
  PEM_write_bio_PrivateKey(memory,
                           key,
                           EVP_aes_128_cbc(),
                           reinterpret_cast<const unsigned char*>(password.data()),
                           1,
                           nullptr,
                           nullptr);
  out.encrypted_key = text_of(memory);
  EVP_PKEY_free(key);
  return out;
}

const std::string kUrl = "https://login.example/t/oauth2/v2.0/token";
const core::Time kNow{1'700'000'000s};

}  // namespace

TEST_CASE("an assertion says what Entra reads, and its signature holds for it alone") {
  const Pair mine = make_pair(EVP_RSA_gen(2048));
  const Pair other = make_pair(EVP_RSA_gen(2048));
  const auto facts = net::read_certificate(mine.certificate);
  REQUIRE(facts);
  for (const auto algorithm : {AssertionAlgorithm::kPs256, AssertionAlgorithm::kRs256}) {
    const bool pss = algorithm == AssertionAlgorithm::kPs256;
    // Key and certificate in any order, among other certificates.
    for (const std::string& pem : {mine.key + mine.certificate,
                                   mine.certificate + mine.key,
                                   other.certificate + mine.certificate + mine.key}) {
      const auto made = net::make_client_assertion(pem, kUrl, "app\"1", kNow, algorithm);
      REQUIRE(made);
      CHECK(made->not_after == facts->not_after);
      const auto parts = core::split(made->jwt, '.');
      REQUIRE(parts.size() == 3);
      CHECK(base64url_decode(parts[0]).value() ==
            (pss ? R"({"alg":"PS256","typ":"JWT","x5t#S256":")" + facts->x5t_s256 + "\"}"
                 : R"({"alg":"RS256","typ":"JWT","x5t":")" + facts->x5t + "\"}"));
      const std::string claims = base64url_decode(parts[1]).value();
      CHECK(
          claims.starts_with(R"({"aud":")" + kUrl + R"(","iss":"app\"1","sub":"app\"1","jti":")"));
      CHECK(claims.ends_with(R"("nbf":1700000000,"iat":1700000000,"exp":1700000600})"));
      const std::string text = made->jwt.substr(0, parts[0].size() + 1 + parts[1].size());
      const std::string signature = base64url_decode(parts[2]).value();
      CHECK(signature.size() == 256);
      CHECK(net::is_signed_by(mine.certificate, algorithm, text, signature));
      CHECK_FALSE(net::is_signed_by(other.certificate, algorithm, text, signature));
      CHECK_FALSE(net::is_signed_by(mine.certificate, algorithm, text + "x", signature));
      const auto wrong = pss ? AssertionAlgorithm::kRs256 : AssertionAlgorithm::kPs256;
      CHECK_FALSE(net::is_signed_by(mine.certificate, wrong, text, signature));
    }
  }
}

TEST_CASE("keys that cannot be used are refused by reason, without a word of theirs") {
  const Pair rsa = make_pair(EVP_RSA_gen(2048));
  const Pair other = make_pair(EVP_RSA_gen(2048));
  const Pair curve = make_pair(EVP_EC_gen("P-256"));

  struct Case {
    std::string pem;
    const char* want;
  };

  const Case cases[] = {
      {"", "there is no private key in PEM form"},
      {rsa.certificate, "there is no private key in PEM form"},
      {rsa.key, "there is no certificate in PEM form"},
      {rsa.key + other.certificate, "no certificate belongs to the private key"},
      {curve.key + curve.certificate,
       "the private key is not an RSA key, and Entra takes no other"},
      {rsa.encrypted_key + rsa.certificate,
       "the private key is encrypted; store it in the clear, readable by the daemon alone"},
  };
  for (const auto& c : cases) {
    const auto made =
        net::make_client_assertion(c.pem, kUrl, "app", kNow, AssertionAlgorithm::kPs256);
    REQUIRE_FALSE(made);
    CHECK(made.error().message == c.want);
  }
}

TEST_CASE("base64url") {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"\xfb\xff", "-_8"}};
  for (const auto& [bytes, text] : cases) {
    CHECK(base64url_encode(bytes) == text);
    CHECK(base64url_decode(text).value() == bytes);
  }
  CHECK_FALSE(base64url_decode("Zg=="));
  CHECK_FALSE(base64url_decode("Z+"));
}
