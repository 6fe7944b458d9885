#include <pfctl/history.hpp>

#include <utility>

namespace pf::ctl {

const TestRecord* History::find(std::string_view nodeid) const noexcept {
  const auto found = places_.find(nodeid);
  return found == places_.end() ? nullptr : &found->second->record;
}

History::Entry& History::add(std::string_view nodeid) {
  Entry& entry = entries_.emplace_back();
  entry.nodeid = nodeid;
  places_.emplace(entry.nodeid, &entry);
  return entry;
}

TestRecord* History::change(std::string_view nodeid) {
  if (nodeid.size() > k_most_nodeid_bytes) return nullptr;
  const auto found = places_.find(nodeid);
  Entry& entry = found == places_.end() ? add(nodeid) : *found->second;
  entry.is_changed = true;
  return &entry.record;
}

History History::merged_into(History other) const {
  for (const Entry& entry : entries_) {
    if (!entry.is_changed) continue;
    const auto found = other.places_.find(entry.nodeid);
    Entry& theirs = found == other.places_.end() ? other.add(entry.nodeid) : *found->second;
    theirs.record = entry.record;
    theirs.is_changed = true;
  }
  return other;
}

void History::settle() noexcept {
  for (Entry& entry : entries_) entry.is_changed = false;
}

}  // namespace pf::ctl
