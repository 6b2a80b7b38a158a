#include "executors/guest/protocol.h"

#include <type_traits>

namespace rootwright::guest {
namespace {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <typename T>
  void operator()(const T& value) {
    if constexpr (std::is_integral_v<T>) {
      using Bits = std::make_unsigned_t<T>;
      for (size_t i = 0; i < sizeof(T); ++i)
        out_.push_back(static_cast<char>(static_cast<Bits>(value) >> (8 * i)));
    } else if constexpr (std::is_same_v<T, std::string_view>) {
      (*this)(static_cast<uint32_t>(value.size()));
      out_.append(value);
    } else {
      (*this)(static_cast<uint32_t>(value.size()));
      for (std::string_view element : value) (*this)(element);
    }
  }

 private:
  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  template <typename T>
  void operator()(T& value) {
    if constexpr (std::is_integral_v<T>) {
      using Bits = std::make_unsigned_t<T>;
      const std::string_view bytes = Take(sizeof(T));
      Bits bits = 0;
      for (size_t i = 0; i < bytes.size(); ++i) {
        bits = static_cast<Bits>(
            bits | static_cast<Bits>(static_cast<Bits>(static_cast<uint8_t>(bytes[i])) << (8 * i)));
      }
      value = static_cast<T>(bits);
    } else if constexpr (std::is_same_v<T, std::string_view>) {
      uint32_t length = 0;
      (*this)(length);
      value = Take(length);
    } else {
      uint32_t count = 0;
      (*this)(count);
      value.clear();
      // The list grows with what is really there: the count alone reserves nothing.
      for (uint32_t i = 0; i < count && ok_; ++i) {
        std::string_view element;
        (*this)(element);
        if (ok_) value.push_back(element);
      }
    }
  }

  bool Finished() const { return ok_ && in_.empty(); }

 private:
  std::string_view Take(size_t size) {
    if (!ok_ || size > in_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = in_.substr(0, size);
    in_.remove_prefix(size);
    return taken;
  }

  std::string_view in_;
  bool ok_ = true;
};

// One list of fields for each message serves both directions; V is Reader or Writer, M the
// message, const when it is written.
template <typename V, typename M>
void Visit(V& visit, M& m) {
  using T = std::remove_const_t<M>;
  const auto all = [&visit](auto&... fields) { (visit(fields), ...); };
  if constexpr (std::is_same_v<T, Hello>)
    all(m.version, m.features, m.nonce);
  else if constexpr (std::is_same_v<T, Ping> || std::is_same_v<T, Pong>)
    all(m.token);
  else if constexpr (std::is_same_v<T, Exec>)
    all(m.request, m.window, m.input_bytes, m.root, m.working_directory, m.argv, m.variables);
  else if constexpr (std::is_same_v<T, Shell>)
    all(m.request, m.window, m.terminal, m.rows, m.columns, m.root, m.working_directory, m.argv, m.variables);
  else if constexpr (std::is_same_v<T, Resize>)
    all(m.request, m.rows, m.columns);
  else if constexpr (std::is_same_v<T, Input> || std::is_same_v<T, FileData>)
    all(m.request, m.data);
  else if constexpr (std::is_same_v<T, Output>)
    all(m.request, m.stream, m.data);
  else if constexpr (std::is_same_v<T, Credit>)
    all(m.request, m.bytes);
  else if constexpr (std::is_same_v<T, Exited>)
    all(m.request, m.exit_code, m.signal, m.wall_ns, m.cpu_ns, m.max_rss_bytes);
  else if constexpr (std::is_same_v<T, Signal>)
    all(m.request, m.number);
  else if constexpr (std::is_same_v<T, PutFile>)
    all(m.request, m.mode, m.size, m.offset, m.path, m.data);
  else if constexpr (std::is_same_v<T, GetFile>)
    all(m.request, m.bytes, m.offset, m.path);
  else if constexpr (std::is_same_v<T, SyncClock>)
    all(m.request, m.wall_ns);
  else if constexpr (std::is_same_v<T, Reseed>)
    all(m.request, m.entropy);
  else if constexpr (std::is_same_v<T, Mount>)
    all(m.request, m.flags, m.source, m.target, m.type, m.options);
  else if constexpr (std::is_same_v<T, Error>)
    all(m.request, m.code, m.text);
  else
    all(m.request);  // Sync, Shutdown, Done
}

}  // namespace

template <typename Message>
bool AppendMessage(std::string& out, const Message& message) {
  const size_t start = out.size();
  out.append(kFrameHeader, '\0');
  Writer writer(out);
  Visit(writer, message);
  const size_t length = out.size() - start - kFrameHeader;
  if (length > kMaxPayload) {
    out.resize(start);
    return false;
  }
  WriteFrameHeader(out.data() + start, static_cast<uint16_t>(Message::kType), length);
  return true;
}

template <typename Message>
bool Decode(std::string_view payload, Message& message) {
  Reader reader(payload);
  Visit(reader, message);
  return reader.Finished();
}

#define RW_MESSAGE(Message)                                           \
  template bool AppendMessage<Message>(std::string&, const Message&); \
  template bool Decode<Message>(std::string_view, Message&)
RW_MESSAGE(Hello);
RW_MESSAGE(Ping);
RW_MESSAGE(Pong);
RW_MESSAGE(Exec);
RW_MESSAGE(Input);
RW_MESSAGE(Output);
RW_MESSAGE(Credit);
RW_MESSAGE(Exited);
RW_MESSAGE(Signal);
RW_MESSAGE(PutFile);
RW_MESSAGE(GetFile);
RW_MESSAGE(FileData);
RW_MESSAGE(SyncClock);
RW_MESSAGE(Reseed);
RW_MESSAGE(Mount);
RW_MESSAGE(Sync);
RW_MESSAGE(Shutdown);
RW_MESSAGE(Done);
RW_MESSAGE(Error);
RW_MESSAGE(Shell);
RW_MESSAGE(Resize);
#undef RW_MESSAGE

}  // namespace rootwright::guest
