#include <doctest/doctest.h>

#include <pfctl/v1_fingerprint.hpp>

using pf::ctl::v1_fingerprint;

// The expected digests are pytest_fast._env_fingerprint's (0.9.3), and hashlib's for the lengths.
TEST_SUITE("pfctl/v1_fingerprint") {
  TEST_CASE("an environment without variables that count has the digest of nothing") {
    CHECK(v1_fingerprint({}) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    CHECK(v1_fingerprint({{"PATH", "/bin"}, {"PYTEST_FAST_WORKERS", "3"}}) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  }

  TEST_CASE("the named variables count, in the order of their names") {
    CHECK(v1_fingerprint({{"PYTEST_FAST_MARK", "slow"}, {"PYTEST_ADDOPTS", "-q -x"}, {"HOME", "/h"}}) == "ef16bcb6c03904aa4e8c84ebba1fcc518667fa3a");
    CHECK(v1_fingerprint({{"PYTEST_ADDOPTS", "-q -x"}, {"PYTEST_FAST_MARK", "slow"}}) == "ef16bcb6c03904aa4e8c84ebba1fcc518667fa3a");
  }

  TEST_CASE("prefixes add variables, bytes that are no text included; an empty value is a value") {
    CHECK(v1_fingerprint({{"PYTEST_FAST_ENV_PREFIXES", " MYAPP_ , ,FEATURE"},
                          {"MYAPP_DB", "x=1"},
                          {"FEATURES", "\xff"},
                          {"MYAPP_\xc3\x84", "\xc3\xb6"},
                          {"MYAP", "no"},
                          {"OUTCOME_DUMP", ""}}) == "869fd467cb54e854dfc2cedfa6f550cab19ffc07");
  }

  TEST_CASE("what the predecessor sets for itself counts when a prefix names it, and only where nothing is set") {
    CHECK(v1_fingerprint({{"PYTEST_FAST_ENV_PREFIXES", "NO_,no_"}, {"NO_PROXY", "localhost"}}) == "6f5d591efb6ae3d297c4bdc382f69702db145b5c");
  }

  TEST_CASE("the first of two entries of one name is the one that counts, as getenv has it") {
    CHECK(v1_fingerprint({{"PYTEST_FAST_MARK", "slow"}, {"PYTEST_ADDOPTS", "-q -x"}, {"PYTEST_FAST_MARK", "other"}}) ==
          "ef16bcb6c03904aa4e8c84ebba1fcc518667fa3a");
  }

  TEST_CASE("every length of the last block is padded right") {
    const struct {
      std::size_t letters;
      const char* digest;
    } expected[] = {
      {40, "12003ff79fff58de73f2ef3d89e36d812a4317ea"},
      {41, "f811ca0823788688d3cb7b003552169863969060"},
      {48, "830f5c2076cb8527e11979d37716f90d75151515"},
      {49, "d1ed09ae031e56b1d0babb4e2dc625fad377d243"},
      {50, "cc90d635ecf296bff5d9c34fa46b3d8bb76cbcef"},
      {104, "1fa58c5d4a5bcfe0c3e16142414beaeae7b616ab"},
      {105, "a82018f35e2bfba1041456a9279a55bb8d8450d8"},
      {985, "e953fb03faf493e83632f369425ece95a3854035"},
    };
    for (const auto& [letters, digest] : expected) {
      CAPTURE(letters);
      CHECK(v1_fingerprint({{"PYTEST_ADDOPTS", std::string(letters, 'a')}}) == digest);
    }
  }
}
