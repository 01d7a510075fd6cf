/* SPDX-License-Identifier: Apache-2.0 */
/* An operator in plain C: the table of fulmar_abi.h, filled by hand. Three functions do the work; the engine owns
   files, tiles, threads and units. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "fulmar_abi.h"

typedef struct clip_params {
  float low, high;
} clip_params;

/* What the command line, the checks and the help read. The types of the ports: f is f32, u is u8. */
static const char clip_schema[] =
    "{\"name\": \"clip\", \"kind\": \"cellwise\", \"summary\": \"Limit values to a range.\","
    " \"inputs\": [{\"name\": \"value\", \"unit\": \"*\", \"description\": \"Any measurement.\"}],"
    " \"outputs\": [{\"name\": \"value\", \"unit\": \"*\", \"description\": \"Value within the range.\"}],"
    " \"input_types\": \"f\", \"output_types\": \"f\","
    " \"params\": ["
    "  {\"name\": \"low\", \"type\": \"number\", \"unit\": \"1\", \"description\": \"Least value that stays.\","
    "   \"default\": 0, \"minimum\": -1e30, \"maximum\": 1e30},"
    "  {\"name\": \"high\", \"type\": \"number\", \"unit\": \"1\", \"description\": \"Largest value that stays.\","
    "   \"default\": 1, \"minimum\": -1e30, \"maximum\": 1e30}],"
    " \"example\": \"scene.tif ! clip --low 0 --high 1 ! clipped.tif\","
    " \"cites\": [\"IEEE 754-2019, minimum and maximum\"], \"agrees\": \"exactly\"}";

/* Every value has been checked against the schema; what is between them is checked here. */
static int clip_parse(const fulmar_value* values, uint32_t count, const fulmar_ground* ground, void* params,
                      fulmar_error* error) {
  clip_params p = {0, 1};
  uint32_t i;
  (void)ground;
  for (i = 0; i < count; ++i) {
    if (strcmp(values[i].name, "low") == 0) p.low = (float)values[i].number;
    if (strcmp(values[i].name, "high") == 0) p.high = (float)values[i].number;
  }
  if (!(p.low <= p.high)) {
    error->code = 2;
    snprintf(error->message, sizeof error->message, "low is %g, which is above high, %g", p.low, p.high);
    return 1;
  }
  memcpy(params, &p, sizeof p);
  return 0;
}

/* The function looks at the cell alone. */
static uint32_t clip_views(const void* params, fulmar_view* views, uint32_t capacity) {
  (void)params;
  if (capacity > 0) memset(views, 0, sizeof *views); /* input 0, FULMAR_VIEW_CELL */
  return 1;
}

static uint64_t clip_table(const void* params, double* table) {
  (void)params, (void)table;
  return 0;
}

/* Missing is NaN, and comparisons with it are false: it passes through. */
static int clip_run(const void* params, const fulmar_call* call, fulmar_error* error) {
  const clip_params* p = (const clip_params*)params;
  const fulmar_plane *in = &call->input[0], *out = &call->output[0];
  int64_t x, y;
  (void)error;
  for (y = 0; y < out->height; ++y) {
    const float* from = (const float*)in->cells + y * in->stride;
    float* to = (float*)out->cells + y * out->stride;
    for (x = 0; x < out->width; ++x) to[x] = from[x] < p->low ? p->low : from[x] > p->high ? p->high : from[x];
  }
  return 0;
}

FULMAR_EXPORT const fulmar_plugin* fulmar_plugin_1(void) {
  /* Never written again, as several threads may call this. Members that are not named are NULL: there is no such
     function. */
  static const fulmar_operator clip = {.size = sizeof clip,
                                       .kind = FULMAR_KIND_CELLWISE,
                                       .schema = clip_schema,
                                       .params_size = sizeof(clip_params),
                                       .params_align = sizeof(float),
                                       .parse = clip_parse,
                                       .views = clip_views,
                                       .table = clip_table,
                                       .run = clip_run};
  static const fulmar_operator* const operators[] = {&clip};
  static const fulmar_plugin plugin = {
      sizeof plugin, FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "clip", "1.0.0", "Apache-2.0", "Fulmar", "", 1, operators};
  return &plugin;
}
