/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The contract between the engine and every operator, built in or loaded: plain C, no dependency. Version 1.3.
 * Append only: a member's meaning and place never change. Each struct the operator hands over starts with its size
 * as the operator's author saw it, and the engine reads no further. No exception crosses: failures are returned.
 */
#ifndef FULMAR_ABI_H
#define FULMAR_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FULMAR_ABI_MAJOR 1
#define FULMAR_ABI_MINOR 4

/** What a plugin shows of itself; everything else in it is best hidden. */
#if defined(_WIN32)
#define FULMAR_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define FULMAR_EXPORT __attribute__((visibility("default")))
#else
#define FULMAR_EXPORT
#endif

/** Types of a cell. */
enum {
  FULMAR_U8 = 1,
  FULMAR_I8 = 2,
  FULMAR_U16 = 3,
  FULMAR_I16 = 4,
  FULMAR_U32 = 5,
  FULMAR_I32 = 6,
  FULMAR_U64 = 7,
  FULMAR_I64 = 8,
  FULMAR_F32 = 9,
  FULMAR_F64 = 10
};

/** How an operator looks at one of its inputs. */
enum {
  FULMAR_VIEW_CELL = 0,   /**< the cell alone */
  FULMAR_VIEW_NEAR = 1,   /**< the cell and its neighbours, outer_x by outer_y around it */
  FULMAR_VIEW_BOX = 2,    /**< count, sum and sum of squares over the box of half widths outer_x, outer_y */
  FULMAR_VIEW_RING = 3,   /**< the same over the outer box without the inner box */
  FULMAR_VIEW_WITHIN = 4, /**< u8: 1 where any cell that is set lies within `reach` metres, 0 elsewhere */
  FULMAR_VIEW_BANDS = 5,  /**< this and all further inputs, cell by cell */
  FULMAR_VIEW_RANKS = 6,  /**< order statistics of the valid cells of a box or, with inner half widths, of a ring */
  FULMAR_VIEW_SERIES = 7  /**< all bands that flow, those of one cell side by side, date after date, in one f32 plane:
                               `layer` values for the first cell of a row, then for the second */
};

/** How RANKS reads `reach`: flags. Without the first, the fraction p of n valid cells means the two cells, in the order
    of their values, whose places from 0 are (n - 1) p rounded down and up. */
enum {
  FULMAR_RANK_CEIL = 1, /**< the cell whose place from 1 is p n rounded up, at least 1: both layers hold it */
  FULMAR_RANK_RING = 2  /**< of the outer box without the inner box */
};

/** Which cells of a RING count, in the view's `rank`: all of them, or those of one side. */
enum {
  FULMAR_RING_LEFT = 4, /**< of the columns before the cell's own */
  FULMAR_RING_RIGHT = 8 /**< of the columns behind it */
};

/** What shape of work an operator is. */
enum {
  FULMAR_KIND_CELLWISE = 0,
  FULMAR_KIND_FOCAL = 1,
  FULMAR_KIND_WINDOWED = 2,
  FULMAR_KIND_LABELLING = 3,
  FULMAR_KIND_DETECTING = 4,
  FULMAR_KIND_RANKED = 5,
  FULMAR_KIND_TEMPORAL = 6,
  FULMAR_KIND_REDUCING = 7,
  FULMAR_KIND_WARPING = 8,
  FULMAR_KIND_TABULAR = 9,
  FULMAR_KIND_WHOLE = 10
};

/** Filled by a function that returns non-zero. The code is an exit code of the command line (1 run-time, 2 usage...).
 */
typedef struct fulmar_error {
  int32_t code;
  char message[1020];
} fulmar_error;

/** One parameter, checked against the schema before the operator sees it. */
typedef struct fulmar_value {
  const char* name;
  double number;    /**< number, boolean (0 or 1), or index of a choice */
  const char* text; /**< the text of a text parameter, or NULL */
  int32_t cells;    /**< for a length: 1 if `number` counts cells, 0 if metres */
  int32_t reserved;
} fulmar_value;

/** Ground size of a cell in metres at the centre of the raster; 0 where it is unknown. */
typedef struct fulmar_ground {
  double dx, dy;
  int64_t width, height; /**< cells of the raster; 0 where it is not known yet, a width of 0 also where it goes round
                            the earth */
} fulmar_ground;

/** One band over one window, in host or device memory. Never owns. */
typedef struct fulmar_plane {
  void* cells;                 /**< the first cell of the window; NULL for an output nobody asked for */
  int64_t stride;              /**< cells from a row to the next */
  int64_t layer;               /**< BOX, RING: f64 cells from the counts to the sums, and to the sums of squares;
                                    RANKS: from the counts to the lower value, and to the upper one;
                                    SERIES: values of one cell */
  int64_t x, y, width, height; /**< the window in cells of the raster, without the halo */
  int32_t dtype, device;       /**< one of FULMAR_U8...; -1 host, else the device's number */
} fulmar_plane;

/** What one argument of the operator's function is. */
typedef struct fulmar_view {
  uint32_t input;           /**< which input port */
  uint32_t kind;            /**< one of FULMAR_VIEW_... */
  int32_t inner_x, inner_y; /**< half widths of the guard box (RING, RANKS) */
  int32_t outer_x, outer_y; /**< half widths, or the halo (NEAR); BANDS, SERIES: outer_x bands of a date at least */
  double reach;             /**< metres (WITHIN); the fraction p, 0 to 1 (RANKS) */
  uint32_t sampled;         /**< 1: the engine passes the cells through `sample` before it sums them */
  uint32_t rank;            /**< FULMAR_RANK_... (RANKS), FULMAR_RING_... (RING) */
} fulmar_view;

/** One call: the same window on every plane. Planes stand in the order of the views. */
typedef struct fulmar_call {
  uint32_t size, inputs, outputs, reserved;
  const fulmar_plane* input;
  const fulmar_plane* output;
  const double* table;  /**< what `table` made at bind time, or NULL */
  const double* ground; /**< dx, dy in metres, two for each row of the window */
  /* end of 1.0 */
  const double* times; /**< SERIES: when each date was measured, in seconds since 1970-01-01 UTC; NaN where unknown */
  uint64_t dates;      /**< SERIES: how many dates; each has the same number of bands, one after the other */
  double* scratch;     /**< memory for this call alone, as many doubles as the operator's `scratch` asks for; on a
                            device, as many bytes as `cuda_scratch` asks for */
  /* end of 1.2 */
  /** CUDA: the views of the operator's arguments, in host memory, as the engine has them: a window that is larger than
      the raster is no larger than it must be. */
  const fulmar_view* views;
} fulmar_call;

/** A connected object, as the engine measured it. Lengths in metres, or cells where the ground size is unknown. */
typedef struct fulmar_object {
  uint32_t size, reserved;
  int64_t cells;
  double area, length, width;
} fulmar_object;

/** A round of a reducing operator: how many rounds came before it, and what the last of them found. */
typedef struct fulmar_round {
  uint32_t size, index;
  uint32_t inputs; /**< connected inputs; the bands of an operator that takes all of them */
  uint32_t reserved;
  const double* summary; /**< of the round before, or NULL */
  uint64_t summary_count;
  int64_t width, height; /**< of the raster, in cells */
} fulmar_round;

/** What a column of a table holds. Every value is a double, NaN where missing, but for texts. */
enum {
  FULMAR_COLUMN_INTEGER = 0,
  FULMAR_COLUMN_REAL = 1,
  FULMAR_COLUMN_FLAG = 2,
  FULMAR_COLUMN_TEXT = 3,
  FULMAR_COLUMN_TIME = 4 /**< seconds since 1970-01-01 UTC; in the unit "d" days, written without a time of day */
};

/** What the rows of a table have for a geometry. */
enum {
  FULMAR_GEOMETRY_CELLS = 0, /**< outlines on a raster, which an operator may only carry on */
  FULMAR_GEOMETRY_NONE = 1,
  FULMAR_GEOMETRY_POINT = 2, /**< the place of the row */
  FULMAR_GEOMETRY_LINE = 3,
  FULMAR_GEOMETRY_POLYGON = 4
};

typedef struct fulmar_column {
  uint32_t size, type; /**< type: one of FULMAR_COLUMN_... */
  const char *name, *unit, *description;
  const double* values;     /**< one a row; NULL for a text */
  const char* const* texts; /**< one a row, NULL where missing; NULL but for a text */
} fulmar_column;

/** A table that a tabular operator reads. Never owns. */
typedef struct fulmar_table {
  uint32_t size, geometry;
  uint32_t connected; /**< 0: nothing flows into this port */
  uint32_t columns;
  uint64_t rows;
  const fulmar_column* column;
  const double* places; /**< longitude and latitude of each row, NaN where unknown */
  const char* crs;      /**< of `points`: WKT2; "" where unknown */
  /** LINE, POLYGON: the parts of row r are parts[r] to parts[r + 1] - 1; the paths (lines; shell and holes) of part p
      are paths[p] to paths[p + 1] - 1; the points of path q are points[2 ends[q]] to points[2 ends[q + 1] - 1]. NULL
     for other geometries. */
  const uint64_t *parts, *paths, *ends;
  const double* points;
} fulmar_table;

/** Where a tabular operator writes its table: first what it consists of, then row by row. Every function returns 0, or
    not: the engine then wants no more, and the operator returns non-zero at once. */
typedef struct fulmar_table_writer {
  uint32_t size, reserved;
  void* out;
  /** The table begins with all columns of an input, and its rows have the geometries of that input's rows. */
  int (*carry)(void* out, uint32_t input);
  /** The rows have a geometry of their own: FULMAR_GEOMETRY_... but CELLS. `crs` may be NULL for longitude, latitude.
   */
  int (*geometry)(void* out, uint32_t geometry, const char* crs);
  /** Adds a column; its name, type, unit and description count. Columns are numbered in order, carried ones first. */
  int (*column)(void* out, const fulmar_column* column);
  /** Adds a row of missing values, or one with the values and geometry of a row of the input that is carried. */
  int (*row)(void* out, uint64_t from); /**< UINT64_MAX: of no other row */
  int (*number)(void* out, uint32_t column, double value);
  int (*text)(void* out, uint32_t column, const char* text, uint64_t length);
  int (*place)(void* out, double lon, double lat);
  /** Adds a line or ring to the last row's geometry; `part` not 0: it begins a new part. */
  int (*path)(void* out, uint32_t part, const double* points, uint64_t count);
  /** A sentence for the user, such as how many rows were dropped and why. */
  int (*note)(void* out, const char* sentence);
} fulmar_table_writer;

/** An operator. Every function is pure, may be called from several threads at once, and must not throw. */
typedef struct fulmar_operator {
  uint32_t size;
  uint32_t kind;
  const char* schema; /**< JSON: what command line, documentation, tests and benchmarks read */
  uint32_t params_size, params_align;
  /** Fills `params` from all the values the schema names; lengths become cells by `ground`. */
  int (*parse)(const fulmar_value* values, uint32_t count, const fulmar_ground* ground, void* params, fulmar_error*);
  /** Writes the views of the operator's arguments, at most `capacity`; returns how many there are. */
  uint32_t (*views)(const void* params, fulmar_view* views, uint32_t capacity);
  /** Returns how many doubles the operator's table holds, and fills them where `table` is not NULL. */
  uint64_t (*table)(const void* params, double* table);
  int (*run)(const void* params, const fulmar_call* call, fulmar_error*);
  int (*sample)(const void* params, const fulmar_call* call, fulmar_error*); /**< NULL: cells are summed as they are */
  int (*keep)(const void* params, const fulmar_object* object);              /**< LABELLING: 0 drops the object */
  /** Puts the work into a CUDA stream (cudaStream_t) and returns. The call is in host memory; cells, table, ground,
      times and scratch are in the device's. In place of sums and ranks, the planes of BOX, RING and RANKS views are the
      cells themselves, which reach as far around the window as the views do; a window with such sums begins at a block
      of the lattice. NULL: the operator runs on the host alone. */
  int (*run_cuda)(const void* params, const fulmar_call* call, void* stream, fulmar_error*);
  /* end of 1.0 */
  /** How many doubles of scratch a call needs for a flow of so many dates with so many bands each. NULL: none. */
  uint64_t (*scratch)(const void* params, uint64_t dates, uint64_t bands);
  /** As `table`, for a table that depends on the dates; takes its place. It may refuse the dates; where it does not, a
   * message with code 0 is for the user. NULL: there is none. */
  int (*series_table)(const void* params, const double* times, uint64_t dates, uint64_t bands, double* table,
                      uint64_t* count, fulmar_error*);
  /* REDUCING. The raster is read once a round. Every block of the engine's lattice has a state of its own; the states
     are merged in a fixed tree, so that no tile, thread or backend shows. What `finish` writes is handed to the next
     round, then to `run` as the call's table, and is the operator's summary: rows of the columns the schema names. */
  uint32_t (*rounds)(const void* params);
  uint64_t (*state_bytes)(const void* params, const fulmar_round*);    /**< the summary is not known yet */
  void (*begin)(const void* params, const fulmar_round*, void* state); /**< in memory aligned for every type */
  int (*step)(const void* params, const fulmar_round*, const fulmar_call*, void* state, fulmar_error*);
  void (*merge)(const void* params, const fulmar_round*, void* into, const void* from);
  /** Writes the summary where `summary` is not NULL; returns how many doubles it holds at most (NULL) or holds. A
     return of UINT64_MAX is a failure, told by the error. A message beside numbers is a sentence for the user, such as
     why there is no threshold. */
  uint64_t (*finish)(const void* params, const fulmar_round*, const void* state, double* summary, fulmar_error*);
  /* WHOLE. Planes of the whole raster; `whole_bytes` of memory beside them for a raster of so many cells. */
  int (*whole)(const void* params, const fulmar_call*, fulmar_error*);
  uint64_t (*whole_bytes)(const void* params, uint64_t cells);
  /* TABULAR. Tables in the order of the input ports. */
  int (*tabulate)(const void* params, const fulmar_table* inputs, uint32_t count, const fulmar_table_writer*,
                  fulmar_error*);
  /* end of 1.2 */
  /** Bytes of device memory that run_cuda needs for a call of this shape; its pointers to memory are NULL. NULL: none.
   */
  uint64_t (*cuda_scratch)(const void* params, const fulmar_call*);
  /** REDUCING. Steps every cell of every block of the lattice in the call's window, in raster order, into the state of
      that block: states stand in the order of blocks, `state_bytes` apart, on the device, and so does the round's
      summary. Planes of BOX views are sums, as on the host. NULL: the operator reduces on the host. */
  int (*step_cuda)(const void* params, const fulmar_round*, const fulmar_call*, void* states, uint64_t state_bytes,
                   void* stream, fulmar_error*);
  /* end of 1.3 */
  /** REDUCING. Merges states that step_cuda left: of each of `count` pairs of places among them the second into the
      first, as `merge` does. No state is in two pairs. Pairs and states are on the device. NULL: states are merged on
      the host. */
  int (*merge_cuda)(const void* params, const fulmar_round*, const uint32_t* pairs, uint64_t count, void* states,
                    uint64_t state_bytes, void* stream, fulmar_error*);
  /* end of 1.4 */
} fulmar_operator;

typedef struct fulmar_plugin {
  uint32_t size, abi_major, abi_minor;
  const char *name, *version, *license, *origin, *cuda_archs;
  uint32_t count;
  const fulmar_operator* const* operators; /* end of 1.0 */
} fulmar_plugin;

/** The one symbol of a plugin; the number is the contract's major version. What it points to lives as long as the
    process does. It may be called more than once and from several threads at once; it never fails and never throws. */
FULMAR_EXPORT const fulmar_plugin* fulmar_plugin_1(void);

#ifdef __cplusplus
}
#endif

#endif /* FULMAR_ABI_H */
