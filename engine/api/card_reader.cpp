// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "fulmar/card.hpp"
#ifdef FULMAR_HAS_CUDA
#include "cuda/reader.hpp"
#endif

namespace fulmar {

#ifdef FULMAR_HAS_CUDA

struct CardReader::State : cuda::Reader {
  using cuda::Reader::Reader;
};

CardReader::CardReader(int device) : state_{std::make_unique<State>(device)} {}
int CardReader::device_of(const void* address) { return cuda::device_of(address); }
void* CardReader::stream() const { return state_->stream(); }
void CardReader::wait_for(void* stream) { state_->wait_for(stream); }
void CardReader::read(const CardRows& from, void* to) {
  state_->read(
      {static_cast<const std::byte*>(from.first), from.bytes, from.rows, from.pitch, from.planes, from.plane_pitch},
      static_cast<std::byte*>(to));
}

#else

struct CardReader::State {};

namespace {
[[noreturn]] void no_cuda() {
  fail(Errc::device,
       "memory of a card cannot be read, as this program was built without CUDA: bring the cells to the host first, or "
       "build it with nvcc on PATH and -DFULMAR_CUDA=ON");
}
}  // namespace

CardReader::CardReader(int /*device*/) { no_cuda(); }
int CardReader::device_of(const void* /*address*/) { no_cuda(); }
void* CardReader::stream() const { return nullptr; }
void CardReader::wait_for(void* /*stream*/) {}
void CardReader::read(const CardRows& /*from*/, void* /*to*/) {}

#endif

CardReader::~CardReader() = default;
CardReader::CardReader(CardReader&&) noexcept = default;
CardReader& CardReader::operator=(CardReader&&) noexcept = default;

}  // namespace fulmar
