// A step of Adam (Kingma & Ba 2015, arXiv 1412.6980) for all weights of a network, with gradients
// clipped by their global norm and AdamW's decay (Loshchilov & Hutter 2019, arXiv 1711.05101), as
// Keras computes them; and whether all numbers are finite.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstring>
#include <vector>

#include "interface.h"
#include "shards.h"

constexpr long CHUNK = 32 * 1024;       // numbers that a thread updates at a time, at most
constexpr long WORTH_THREADS = 8 * CHUNK;  // fewer are updated by the calling thread

// Part of an array of weights.
struct Part {
    long array, begin, end;
};

inline std::vector<Part> parts_of(const Update& update) {
    std::vector<Part> parts;
    for (long array = 0; array < update.count; ++array) {
        for (long begin = 0; begin < update.sizes[array]; begin += CHUNK)
            parts.push_back({array, begin, std::min(begin + CHUNK, update.sizes[array])});
    }
    return parts;
}

// Sum of squares, eight sums side by side so that vectors can add them up.
inline double sum_of_squares(const float* numbers, long count) {
    double sums[8] = {};
    long i = 0;
    for (; i + 8 <= count; i += 8)
        for (int lane = 0; lane < 8; ++lane)
            sums[lane] += static_cast<double>(numbers[i + lane]) * numbers[i + lane];
    for (; i < count; ++i) sums[0] += static_cast<double>(numbers[i]) * numbers[i];
    double total = 0;
    for (const double sum : sums) total += sum;
    return total;
}

// A function whose products are rounded before they are added, as those of Keras are: one operation
// that multiplies and adds would round once.
#if defined(__clang__)
#define ROUNDS_PRODUCTS
#else
#define ROUNDS_PRODUCTS __attribute__((optimize("fp-contract=off")))
#endif

// Update some weights; false where one of them is no longer finite.
ROUNDS_PRODUCTS inline bool update_part(const Update& update, const Part& part, float scale) {
    const UpdateNumbers numbers = *update.numbers;
    const float* weights = update.weights[part.array];
    const float* first = update.first[part.array];
    const float* second = update.second[part.array];
    const float* gradients = update.gradients[part.array];
    float* new_weights = update.new_weights[part.array];
    float* new_first = update.new_first[part.array];
    float* new_second = update.new_second[part.array];
    int damaged = 0;
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
#pragma GCC ivdep  // no array overlaps another
    for (long i = part.begin; i < part.end; ++i) {
        const float g = gradients[i] * scale;
        const float m = first[i] + (g - first[i]) * numbers.first_rate;
        const float v = second[i] + (g * g - second[i]) * numbers.second_rate;
        const float decayed = weights[i] - weights[i] * numbers.decay * numbers.rate;
        const float w = decayed - m * numbers.alpha / (std::sqrt(v) + numbers.epsilon);
        new_first[i] = m;
        new_second[i] = v;
        new_weights[i] = w;
        damaged |= !(std::fabs(w) <= FLT_MAX);
    }
    return !damaged;
}

// Leave everything as it was.
inline void keep(const Update& update) {
    for (long array = 0; array < update.count; ++array) {
        const size_t bytes = sizeof(float) * update.sizes[array];
        std::memcpy(update.new_weights[array], update.weights[array], bytes);
        std::memcpy(update.new_first[array], update.first[array], bytes);
        std::memcpy(update.new_second[array], update.second[array], bytes);
    }
}

// Partial sums belong to parts, and are added in their order: bits do not depend on the threads.
inline void run_update(const Update& update) {
    const std::vector<Part> parts = parts_of(update);
    long size = 0;
    for (long array = 0; array < update.count; ++array) size += update.sizes[array];
    const auto for_parts = [&](const std::function<void(int)>& task) {
        if (size >= WORTH_THREADS) return in_parallel(parts.size(), task);
        for (size_t number = 0; number < parts.size(); ++number) task(number);
    };

    std::vector<double> squares(parts.size());
    for_parts([&](int number) {
        const Part& part = parts[number];
        squares[number] =
            sum_of_squares(update.gradients[part.array] + part.begin, part.end - part.begin);
    });
    double total = 0;
    for (const double square : squares) total += square;
    const float norm = static_cast<float>(std::sqrt(total));
    *update.norm = norm;
    if (!std::isfinite(norm) || !std::isfinite(*update.loss)) {
        *update.outcome = BAD_GRADIENT;
        return keep(update);
    }

    const float clip = update.numbers->clip;
    const float scale = clip > 0 ? clip * std::min(1 / norm, 1 / clip) : 1.0f;
    std::vector<char> is_sound(parts.size());
    for_parts([&](int number) { is_sound[number] = update_part(update, parts[number], scale); });
    const bool all_sound = std::all_of(is_sound.begin(), is_sound.end(), [](char is) { return is; });
    *update.outcome = all_sound ? SOUND : BAD_WEIGHT;
}
