#include "agent/link/link.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace rootwright {

Link::Link(Session& session, Dialer& dialer, Doorbell& doorbell, const Clock& clock, Backoff backoff,
           OnLinked on_linked)
    : session_(session),
      dialer_(dialer),
      doorbell_(doorbell),
      clock_(clock),
      backoff_(backoff),
      on_linked_(std::move(on_linked)) {}

absl::Status Link::Run(std::stop_token stop) {
  absl::Status end;
  while (!stop.stop_requested()) {
    const bool again = Converse(stop, end);
    session_.Close();
    SetLinked(false);
    if (!again) return end;
    if (!stop.stop_requested()) Pause(stop);
  }
  return absl::OkStatus();
}

bool Link::Converse(std::stop_token stop, absl::Status& end) {
  Inbox inbox(doorbell_);
  const std::unique_ptr<Conversation> conversation = dialer_.Dial(inbox);
  // Before Open: what changes while it looks is registered by the next connection.
  redial_ = false;
  // When it fails, the inbox tells.
  conversation->Send(session_.Open());
  while (!stop.stop_requested()) {
    const uint64_t rings = doorbell_.rings();
    if (redial_) {
      spdlog::info("link: dialling again: what this host offers has changed");
      return true;
    }
    bool moved = false;
    while (const auto message = inbox.Take()) {
      session_.Receive(*message);
      moved = true;
    }
    if (session_.welcomed() && !linked_) {
      spdlog::info("link: connected");
      backoff_.Reset();
      SetLinked(true);
    }
    if (const auto& goodbye = session_.goodbye()) {
      spdlog::info("link: the master says goodbye: {}", goodbye->reason());
      if (goodbye->reconnect()) return true;
      end = absl::AbortedError(absl::StrCat("link: the master ended the session: ", goodbye->reason()));
      return false;
    }
    for (const v1::AttachRequest& message : session_.Poll()) {
      if (!conversation->Send(message)) break;
      moved = true;
    }
    if (const auto ended = inbox.end()) {
      spdlog::warn("link: lost: {}", std::string(ended->message()));
      return true;
    }
    if (!moved) doorbell_.Wait(rings, session_.next_look(), stop);
  }
  return true;
}

void Link::Pause(std::stop_token stop) {
  const Deadline until = Deadline::In(backoff_.Next(), clock_.Now());
  while (!stop.stop_requested() && !until.Passed(clock_.Now())) {
    const uint64_t rings = doorbell_.rings();
    session_.Poll();
    doorbell_.Wait(rings, Earlier(until, session_.next_look()), stop);
  }
}

void Link::Redial() {
  redial_ = true;
  doorbell_.Ring();
}

void Link::SetLinked(bool linked) {
  if (linked_.exchange(linked) != linked && on_linked_) on_linked_(linked);
}

}  // namespace rootwright
