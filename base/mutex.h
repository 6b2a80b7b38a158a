#pragma once

#include <condition_variable>
#include <mutex>

// Clang's thread-safety annotations (https://clang.llvm.org/docs/ThreadSafetyAnalysis.html);
// nothing with other compilers.
#if defined(__clang__)
#define RW_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define RW_THREAD_ANNOTATION(x)
#endif

#define RW_GUARDED_BY(x) RW_THREAD_ANNOTATION(guarded_by(x))
#define RW_REQUIRES(...) RW_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define RW_EXCLUDES(...) RW_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace rootwright {

// std::mutex with annotations. Not absl::Mutex: linked from Debian's packages that one
// makes the thread sanitizer report races that are none.
class RW_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void Lock() RW_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void Unlock() RW_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

  // BasicLockable, for std::condition_variable_any.
  void lock() RW_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void unlock() RW_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class RW_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) RW_THREAD_ANNOTATION(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() RW_THREAD_ANNOTATION(release_capability()) { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits on a Mutex that the caller holds; use it in a loop around the condition, or with
// std::stop_token: `cv.wait(mutex, stop, [&] { … })`.
using CondVar = std::condition_variable_any;

}  // namespace rootwright
