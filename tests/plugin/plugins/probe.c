/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin of one operator, `probe`, which adds a number to every cell; macros make it break the contract in one way
   or another. It is C and C++. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef PROBE_SHORT_TABLE
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "fulmar_abi.h"

#ifndef PROBE_MAJOR
#define PROBE_MAJOR FULMAR_ABI_MAJOR
#endif
#ifndef PROBE_MINOR
#define PROBE_MINOR FULMAR_ABI_MINOR
#endif
#ifndef PROBE_SIZE
#define PROBE_SIZE sizeof(fulmar_plugin)
#endif
#ifndef PROBE_ENTRY
#define PROBE_ENTRY fulmar_plugin_1
#endif
#ifndef PROBE_PLUGIN
#define PROBE_PLUGIN "probing"
#endif
#ifndef PROBE_OPERATOR
#define PROBE_OPERATOR "probe"
#endif
#ifndef PROBE_UNIT
#define PROBE_UNIT "\"unit\":\"1\","
#endif
#ifndef PROBE_VERSION
#define PROBE_VERSION "1.2.3"
#endif

/* Whoever loads the library leaves a trace. */
__attribute__((constructor)) static void loaded(void) {
  const char* trace = getenv("PROBE_TRACE");
  FILE* file = trace == NULL ? NULL : fopen(trace, "w");
  if (file != NULL) fclose(file);
#ifdef PROBE_ABORTS
  abort();
#endif
}

#ifdef PROBE_NEEDS
extern int nobody_has_this(void);
int needs(void) { return nobody_has_this(); }
#endif

typedef struct params {
  float plus;
} params;

static int parse(const fulmar_value* values, uint32_t count, const fulmar_ground* ground, void* to,
                 fulmar_error* error) {
  params* p = (params*)to;
  uint32_t i;
  (void)ground, (void)error;
  p->plus = 1;
  for (i = 0; i < count; ++i) p->plus = (float)values[i].number;
#ifdef PROBE_REFUSES
  error->code = 2;
  snprintf(error->message, sizeof error->message, "plus is never right");
  return 1;
#else
  return 0;
#endif
}

static uint32_t views(const void* p, fulmar_view* to, uint32_t capacity) {
  (void)p;
#ifdef PROBE_THROWS_IN_VIEWS
  throw 7;
#endif
  if (capacity > 0) {
    const fulmar_view cell = {0, FULMAR_VIEW_CELL, 0, 0, 0, 0, 0, 0, 0};
    to[0] = cell;
  }
  return 1;
}

static uint64_t table(const void* p, double* to) {
  (void)p, (void)to;
  return 0;
}

static int run(const void* p, const fulmar_call* call, fulmar_error* error) {
  const float plus = ((const params*)p)->plus;
  int64_t x, y;
  (void)error;
  for (y = 0; y < call->output->height; ++y) {
    const float* from = (const float*)call->input->cells + y * call->input->stride;
    float* to = (float*)call->output->cells + y * call->output->stride;
#ifdef PROBE_FAILS_IN_ROW
    if (call->output->y + y == PROBE_FAILS_IN_ROW) {
#ifdef PROBE_THROWS
      throw PROBE_THROWS;
#else
      error->code = PROBE_FAILS_WITH;
      snprintf(error->message, sizeof error->message, "row %d is unlucky", PROBE_FAILS_IN_ROW);
      return 1;
#endif
    }
#endif
    for (x = 0; x < call->output->width; ++x) to[x] = from[x] + plus;
  }
  return 0;
}

static const char schema[] =
    "{\"name\":\"" PROBE_OPERATOR
    "\",\"summary\":\"Add a number.\",\"kind\":\"cellwise\","
    "\"inputs\":[{\"name\":\"value\"," PROBE_UNIT
    "\"description\":\"Any.\"}],"
    "\"outputs\":[{\"name\":\"sum\",\"unit\":\"1\",\"description\":\"Value and number.\"}],"
    "\"params\":[{\"name\":\"plus\",\"type\":\"number\",\"unit\":\"1\",\"description\":\"The number.\",\"default\":1}],"
    "\"example\":\"a.tif ! " PROBE_OPERATOR
    " ! b.tif\",\"cites\":[\"none\"],\"agrees\":\"exactly\","
    "\"input_types\":\"f\",\"output_types\":\"f\"}";

#ifdef __cplusplus
extern "C"
#endif
    FULMAR_EXPORT const fulmar_plugin*
    PROBE_ENTRY(void) {
  static fulmar_operator probe;
  static const fulmar_operator* operators[1];
  static fulmar_plugin plugin;
#ifdef PROBE_THROWS_IN_ENTRY
  throw PROBE_THROWS_IN_ENTRY;
#endif
#ifdef PROBE_EMPTY
  if (plugin.size == 0) return NULL;
#endif
  probe.size = sizeof probe;
  probe.kind = FULMAR_KIND_CELLWISE;
  probe.schema = schema;
  probe.params_size = sizeof(params);
  probe.params_align = sizeof(float);
  probe.parse = parse;
  probe.views = views;
  probe.table = table;
  probe.run = run;
  operators[0] = &probe;
#ifdef PROBE_SHORT_TABLE
  {
    /* As long as version 1.0 had it; behind it is memory that nobody may read. */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), length = offsetof(fulmar_operator, scratch);
    char* pages = (char*)mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    probe.size = (uint32_t)length;
    memcpy(pages + page - length, &probe, length);
    mprotect(pages + page, page, PROT_NONE);
    operators[0] = (const fulmar_operator*)(const void*)(pages + page - length);
  }
#endif
  plugin.size = PROBE_SIZE;
  plugin.abi_major = PROBE_MAJOR;
  plugin.abi_minor = PROBE_MINOR;
  plugin.name = PROBE_PLUGIN;
  plugin.version = PROBE_VERSION;
  plugin.license = "Apache-2.0";
  plugin.origin = "tests";
  plugin.cuda_archs = "";
  plugin.count = 1;
  plugin.operators = operators;
  return &plugin;
}
