#include <doctest/doctest.h>

#include <vector>

#include <pfctl/generation_choice.hpp>

using namespace pf::ctl;
using namespace std::chrono_literals;
using Step = GenerationChoice::Step;

namespace {

const TimePoint k_received{1000s};

GenerationCandidate ready(std::int64_t id, std::chrono::seconds used = 900s) {
  GenerationCandidate candidate;
  candidate.id = id;
  candidate.suits = true;
  candidate.boot_started = TimePoint(500s);
  candidate.last_used = TimePoint(used);
  return candidate;
}

GenerationChoice choose(std::vector<GenerationCandidate> candidates) { return choose_generation(candidates, k_received); }

}  // namespace

TEST_SUITE("pfctl/generation_choice") {
  TEST_CASE("with nothing there a generation is booted") { CHECK(choose({}).step == Step::boot); }

  TEST_CASE("a ready generation is checked before it is used") {
    GenerationCandidate candidate = ready(1);
    CHECK(choose({candidate}).step == Step::check);
    candidate.fresh = true;
    CHECK(choose({candidate}).step == Step::use);
    candidate.fresh = false;
    CHECK(choose({candidate}).step == Step::boot);
  }

  TEST_CASE("one that does not suit is no candidate") {
    GenerationCandidate candidate = ready(1);
    candidate.suits = false;
    candidate.fresh = true;
    CHECK(choose({candidate}).step == Step::boot);
  }

  TEST_CASE("what was booted after the request came is used unchecked, whatever a check says") {
    GenerationCandidate candidate = ready(3);
    candidate.boot_started = k_received + 1s;
    candidate.fresh = false;
    const GenerationChoice choice = choose({ready(1), candidate});
    CHECK(choice.step == Step::use);
    CHECK(choice.id == 3);
  }

  TEST_CASE("a boot that is under way is waited for, unless something is ready") {
    GenerationCandidate booting = ready(2);
    booting.booting = true;
    CHECK(choose({booting}).step == Step::wait);
    CHECK(choose({booting, ready(1)}).step == Step::check);
    GenerationCandidate stale = ready(1);
    stale.fresh = false;
    CHECK(choose({stale, booting}).id == 2);
  }

  TEST_CASE("a boot that collects more than the run names is not waited for") {
    GenerationCandidate wider = ready(2);
    wider.booting = wider.wider = true;
    CHECK(choose({wider}).step == Step::boot);
    GenerationCandidate stale = ready(1);
    stale.fresh = false;
    CHECK(choose({stale, wider}).step == Step::boot);
    CHECK(choose({ready(1), wider}).step == Step::check);
  }

  TEST_CASE("of two that are fresh the one that covers the run is used") {
    GenerationCandidate narrow = ready(1, 900s);
    narrow.covers = false;
    narrow.fresh = true;
    GenerationCandidate wide = ready(2, 100s);
    wide.fresh = true;
    CHECK(choose({narrow, wide}).id == 2);
    wide.fresh.reset();
    const GenerationChoice choice = choose({narrow, wide});
    CHECK(choice.step == Step::check);
    CHECK(choice.id == 2);
    wide.fresh = false;
    CHECK(choose({narrow, wide}).id == 1);
  }

  TEST_CASE("a boot that collects what the run names is waited for rather than using one that did not") {
    GenerationCandidate narrow = ready(1);
    narrow.covers = false;
    narrow.fresh = true;
    GenerationCandidate booting = ready(2);
    booting.booting = true;
    CHECK(choose({narrow, booting}).step == Step::wait);
    CHECK(choose({narrow, booting}).id == 2);
  }

  TEST_CASE("the one that was used last is looked at first") {
    CHECK(choose({ready(1, 100s), ready(2, 200s)}).id == 2);
    GenerationCandidate fresh = ready(1, 100s);
    fresh.fresh = true;
    CHECK(choose({fresh, ready(2, 200s)}).id == 1);   // known to be fresh: no need to look at another
  }
}
