// Runs a fuzz target without libFuzzer, so that every compiler's test run executes it.
// With arguments: the files named, once each. Without: the target's corpus, then a fixed
// number of made-up inputs, the same ones in every run.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kRandomInputs = 1000;
constexpr int kMutatedInputs = 4000;
constexpr size_t kLongest = 4096;

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937_64;

size_t Below(Random& random, size_t bound) { return static_cast<size_t>(random() % bound); }

void Run(const Bytes& input) {
  // An exact copy on the heap: one byte read too far is seen by the address sanitizer.
  const Bytes copy(input);
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

bool ReadInput(const std::filesystem::path& path, Bytes& into) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  into.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  return true;
}

Bytes RandomInput(Random& random) {
  static constexpr char kText[] = "abcxyz019 \n\t:-_./\\\"'{}[](),;=+*&!|<>#%@~$\r";
  Bytes input(Below(random, 1 + (size_t{1} << Below(random, 12))));
  const size_t kind = Below(random, 3);
  for (uint8_t& byte : input) {
    if (kind == 0) byte = static_cast<uint8_t>(random());
    if (kind == 1) byte = static_cast<uint8_t>(kText[Below(random, sizeof kText - 1)]);
    if (kind == 2) byte = static_cast<uint8_t>(Below(random, 4));
  }
  return input;
}

// One small change: a bit, a byte, a telling number, a piece cut, doubled, or taken from
// another input.
void Mutate(Random& random, const std::vector<Bytes>& pool, Bytes& input) {
  static constexpr uint8_t kTelling[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
  if (input.empty()) input.push_back(0);
  const size_t at = Below(random, input.size());
  const size_t length = 1 + Below(random, std::min<size_t>(64, input.size() - at));
  const auto first = input.begin() + static_cast<std::ptrdiff_t>(at);
  switch (Below(random, 6)) {
    case 0:
      input[at] ^= static_cast<uint8_t>(1u << Below(random, 8));
      break;
    case 1:
      input[at] = static_cast<uint8_t>(random());
      break;
    case 2:
      std::fill_n(first, length, kTelling[Below(random, sizeof kTelling)]);
      break;
    case 3:
      input.erase(first, first + static_cast<std::ptrdiff_t>(length));
      break;
    case 4: {
      const Bytes piece(first, first + static_cast<std::ptrdiff_t>(length));
      input.insert(first, piece.begin(), piece.end());
      break;
    }
    default: {
      const Bytes& other = pool[Below(random, pool.size())];
      if (other.empty()) break;
      const size_t from = Below(random, other.size());
      const size_t taken = std::min(length, other.size() - from);
      input.insert(first, other.begin() + static_cast<std::ptrdiff_t>(from),
                   other.begin() + static_cast<std::ptrdiff_t>(from + taken));
    }
  }
}

std::vector<Bytes> ReadCorpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> corpus;
  for (const auto& path : paths) {
    Bytes input;
    if (ReadInput(path, input)) corpus.push_back(std::move(input));
  }
  return corpus;
}

int RunFiles(int count, char** paths) {
  for (int i = 0; i < count; ++i) {
    Bytes input;
    if (!ReadInput(paths[i], input)) {
      std::fprintf(stderr, "cannot read input: %s\n", paths[i]);
      return 1;
    }
    Run(input);
  }
  std::printf("%d inputs\n", count);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return RunFiles(argc - 1, argv + 1);
  const std::filesystem::path name = std::filesystem::path(argv[0]).filename();
  std::vector<Bytes> pool = ReadCorpus(std::filesystem::path(ROOTWRIGHT_FUZZ_CORPUS) / name);
  const size_t kept = pool.size();
  for (const Bytes& input : pool) Run(input);

  Random random(20150401);
  Run({});
  for (int i = 0; i < kRandomInputs; ++i) {
    Bytes input = RandomInput(random);
    Run(input);
    if (i % 16 == 0) pool.push_back(std::move(input));
  }
  for (int i = 0; i < kMutatedInputs; ++i) {
    // What was kept by hand comes closest to the parser's depths, so it is taken most often.
    const size_t from = kept > 0 && i % 4 != 0 ? Below(random, kept) : Below(random, pool.size());
    Bytes input = pool[from];
    for (size_t changes = 1 + Below(random, 6); changes > 0; --changes) Mutate(random, pool, input);
    if (input.size() > kLongest && kept == 0) input.resize(kLongest);
    Run(input);
  }
  std::printf("%zu kept and %d made-up inputs\n", kept, kRandomInputs + kMutatedInputs + 1);
  return 0;
}
