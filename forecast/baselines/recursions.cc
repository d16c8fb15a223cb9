// The recursions of exponential smoothing and of Theta along the rows, on NumPy arrays of doubles.
//
// `recursion.py` and `theta.py` have the same in NumPy. Each operation here is one of theirs, in
// their order, and no product is fused with a sum (`-ffp-contract=off`), so that bits are equal.
// Arrays are contiguous and hold S series with G sets of parameters; a cell is one of the S x G.

#include <cstddef>
#include <vector>

namespace {

constexpr long TILE = 64;  // series with one set each that go along the rows together

// Cells that lie side by side, on their way along the rows. `season` is that of the row.
struct Cells {
    const double *alpha, *beta, *gamma, *damping;
    double *level, *trend, *season;

    Cells from(long cell, long of_parameters) const {
        return {alpha + of_parameters,
                beta + of_parameters,
                gamma + of_parameters,
                damping + of_parameters,
                level + cell,
                trend + cell,
                season ? season + cell : nullptr};
    }
};

// Go on by a value, of each cell where `Step` is 1 and of all where it is 0, and return the error.
template <int Step, bool HasSeason>
inline double follow(const Cells& in, const double* now, long i) {
    in.trend[i] *= in.damping[i];
    in.level[i] += in.trend[i];
    double error = now[Step * i] - in.level[i];
    if (HasSeason) {
        error -= in.season[i];
        in.season[i] += in.gamma[i] * error;
    }
    in.level[i] += in.alpha[i] * error;
    in.trend[i] += in.beta[i] * error;
    return error;
}

template <int Step, bool HasSeason>
void add_squares(const Cells& in, const double* now, long count, double* squares) {
#pragma GCC ivdep
    for (long i = 0; i < count; ++i) {
        const double error = follow<Step, HasSeason>(in, now, i);
        squares[i] += error * error;
    }
}

template <int Step>
void add_row(const Cells& in, const double* now, long count, double* squares) {
    if (in.season) return add_squares<Step, true>(in, now, count, squares);
    add_squares<Step, false>(in, now, count, squares);
}

}  // namespace

// Arrays of a run: values (S, T), NaN before the first row `starts` of a series, ascending;
// parameters (S or 1, G); level, trend and squares (S, G); season (m, S, G), read where m > 1.
struct Run {
    long num_series, num_rows, num_sets, cycle;
    long own_parameters;  // 1 where each series has parameters of its own
    const double* values;
    const long* starts;
    Cells cells;
    double* squares;
};

// What errors without a season owe to the first states: (S, G) each, or (1, G) where all series
// share their first row and their parameters. `level` and `trend` are those of the runs along rows
// of 0 that begin with a level of 1 and with a trend of 1.
struct Moves {
    long shared;
    Cells by_level, by_trend;
    double *level_cross, *trend_cross;                  // (S, G)
    double *level_square, *level_trend, *trend_square;  // products of the moves
};

namespace {

// Rows of `num` series side by side, (T, num).
std::vector<double> turned(const Run& run, long first, long num) {
    std::vector<double> rows(run.num_rows * num);
    for (long series = 0; series < num; ++series) {
        const double* from = run.values + (first + series) * run.num_rows;
        for (long row = 0; row < run.num_rows; ++row) rows[row * num + series] = from[row];
    }
    return rows;
}

// Cells of a series and of those after it at a row.
Cells cells_at(const Run& run, long series, long row) {
    const long cell = series * run.num_sets;
    Cells cells = run.cells.from(cell, run.own_parameters * cell);
    cells.season = nullptr;
    if (run.cycle > 1) {
        cells.season = run.cells.season + row % run.cycle * run.num_series * run.num_sets + cell;
    }
    return cells;
}

// Errors (T, 2, G) that a level of 1 and a trend of 1 before the first row make along rows of 0.
void follow_moves(const Run& run, const Moves& moves, long series, std::vector<double>& errors) {
    const long sets = run.num_sets, cell = series * sets, own = run.own_parameters * cell;
    const Cells by_level = moves.by_level.from(cell, own);
    const Cells by_trend = moves.by_trend.from(cell, own);
    double* level_square = moves.level_square + cell;
    double* level_trend = moves.level_trend + cell;
    double* trend_square = moves.trend_square + cell;
    const double nothing = 0.0;
    for (long row = run.starts[series]; row < run.num_rows; ++row) {
        double* level_moves = errors.data() + row * 2 * sets;
        double* trend_moves = level_moves + sets;
#pragma GCC ivdep
        for (long i = 0; i < sets; ++i) {
            const double level = follow<0, false>(by_level, &nothing, i);
            const double trend = follow<0, false>(by_trend, &nothing, i);
            level_square[i] += level * level;
            level_trend[i] += level * trend;
            trend_square[i] += trend * trend;
            level_moves[i] = level;
            trend_moves[i] = trend;
        }
    }
}

}  // namespace

extern "C" {

// Follow the rows from given first states.
__attribute__((visibility("default"))) void smooth_rows(const Run* given) {
    const Run& run = *given;
    if (run.num_sets > 1) {
        for (long series = 0; series < run.num_series; ++series) {
            const double* now = run.values + series * run.num_rows;
            double* squares = run.squares + series * run.num_sets;
            for (long row = run.starts[series]; row < run.num_rows; ++row) {
                add_row<0>(cells_at(run, series, row), now + row, run.num_sets, squares);
            }
        }
        return;
    }
    for (long first = 0; first < run.num_series; first += TILE) {
        const long num = run.num_series - first < TILE ? run.num_series - first : TILE;
        const std::vector<double> rows = turned(run, first, num);
        long begun = 0;
        for (long row = run.starts[first]; row < run.num_rows; ++row) {
            while (begun < num && run.starts[first + begun] <= row) ++begun;
            const double* now = rows.data() + row * num;
            add_row<1>(cells_at(run, first, row), now, begun, run.squares + first);
        }
    }
}

// Follow the rows without a season, and sum what the errors owe to the first states.
__attribute__((visibility("default"))) void smooth_rows_and_moves(const Run* given,
                                                                  const Moves* moved) {
    const Run& run = *given;
    const Moves& moves = *moved;
    const long sets = run.num_sets;
    std::vector<double> errors(run.num_rows * 2 * sets);
    for (long series = 0; series < run.num_series; ++series) {
        if (series == 0 || !moves.shared) follow_moves(run, moves, series, errors);
        const double* now = run.values + series * run.num_rows;
        double* squares = run.squares + series * sets;
        double* level_cross = moves.level_cross + series * sets;
        double* trend_cross = moves.trend_cross + series * sets;
        for (long row = run.starts[series]; row < run.num_rows; ++row) {
            const Cells cells = cells_at(run, series, row);
            const double* level_moves = errors.data() + row * 2 * sets;
            const double* trend_moves = level_moves + sets;
#pragma GCC ivdep
            for (long i = 0; i < sets; ++i) {
                const double error = follow<0, false>(cells, now + row, i);
                squares[i] += error * error;
                level_cross[i] += level_moves[i] * error;
                trend_cross[i] += trend_moves[i] * error;
            }
        }
    }
}

// Follow the rows with a level alone, for each of G shares of an error: level and squares (S, G).
__attribute__((visibility("default"))) void smooth_levels(long num_series, long num_rows,
                                                          long num_sets, const double* values,
                                                          const long* starts, const double* alphas,
                                                          double* level, double* squares) {
    for (long series = 0; series < num_series; ++series) {
        double* own_level = level + series * num_sets;
        double* own_squares = squares + series * num_sets;
        for (long row = starts[series]; row < num_rows; ++row) {
            const double now = values[series * num_rows + row];
#pragma GCC ivdep
            for (long i = 0; i < num_sets; ++i) {
                const double error = now - own_level[i];
                own_squares[i] += error * error;
                own_level[i] += alphas[i] * error;
            }
        }
    }
}

}  // extern "C"
