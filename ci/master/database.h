#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace rootwright::master {

// One prepared statement in use. Parameters are bound in their order, columns are read by number; the
// statement goes back to its Database when the object goes. Views are valid until the next Step.
class Statement {
 public:
  explicit Statement(sqlite3* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}
  Statement(Statement&& other) noexcept;
  ~Statement();

  Statement& Bind(int64_t value);
  Statement& Bind(absl::string_view text);
  Statement& BindBlob(absl::string_view bytes);
  Statement& BindNull();

  // True when there is a row, false at the end.
  absl::StatusOr<bool> Step();
  // For statements that return no row.
  absl::Status Run();

  int64_t Integer(int column) const;
  absl::string_view Bytes(int column) const;
  bool IsNull(int column) const;

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_;
  int next_ = 1;
};

// One connection to an SQLite file (https://sqlite.org/wal.html) with its prepared statements. Not
// thread-safe: each thread, or each mutex, has its own. Errors read "what failed: file: cause".
class Database {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  // Makes the file when it is missing (kReadWrite). Write-ahead log, synchronous=FULL: what is
  // committed survives a power cut.
  static absl::StatusOr<Database> Open(const std::filesystem::path& path, Mode mode);
  Database(Database&&) noexcept = default;
  Database& operator=(Database&&) noexcept = default;
  ~Database();

  // One or more statements without parameters or rows.
  absl::Status Execute(const char* sql);
  // `sql` must be a literal: its address is the key under which it is kept prepared.
  absl::StatusOr<Statement> Prepare(const char* sql);

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };

  explicit Database(sqlite3* handle) : handle_(handle) {}

  std::unique_ptr<sqlite3, Close> handle_;
  std::unordered_map<const char*, std::unique_ptr<sqlite3_stmt, Finalize>> prepared_;
};

}  // namespace rootwright::master
