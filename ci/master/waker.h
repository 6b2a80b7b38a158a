#pragma once

namespace rootwright::master {

// Something that wants to look again. Wake may come from any thread, also when there is nothing new; it
// must not block.
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void Wake() = 0;
};

// What the source of a stream has to give at the moment. After kNothingYet it wakes its reader.
enum class Supply { kMessage, kNothingYet, kEnd };

}  // namespace rootwright::master
