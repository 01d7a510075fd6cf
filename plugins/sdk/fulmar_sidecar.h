/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The sidecar of a plugin: what it says of itself and the schemas of its operators, as JSON, so that they can be listed
 * without loading it. One definition for the build of a plugin and for the command line, in what C and C++ share.
 */
#ifndef FULMAR_SIDECAR_H
#define FULMAR_SIDECAR_H

#include <stddef.h>
#include <stdio.h>

#include "fulmar_abi.h"

static void fulmar_write_text(FILE* out, const char* key, const char* text) {
  fprintf(out, "  \"%s\": \"", key);
  for (; text != NULL && *text != '\0'; ++text) {
    const unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\')
      fprintf(out, "\\%c", c);
    else if (c < 0x20)
      fprintf(out, "\\u%04x", c);
    else
      fputc(c, out);
  }
  fputs("\",\n", out);
}

/** Returns 0, or not where the plugin is of another contract or lacks what it counts. */
static int fulmar_write_sidecar(const fulmar_plugin* plugin, FILE* out) {
  const size_t first_version = offsetof(fulmar_plugin, operators) + sizeof plugin->operators;
  uint32_t i;
  if (plugin == NULL || plugin->abi_major != FULMAR_ABI_MAJOR || plugin->size < first_version) return 1;
  fputs("{\n", out);
  fulmar_write_text(out, "name", plugin->name);
  fulmar_write_text(out, "version", plugin->version);
  fulmar_write_text(out, "license", plugin->license);
  fulmar_write_text(out, "origin", plugin->origin);
  fulmar_write_text(out, "cuda_archs", plugin->cuda_archs);
  fprintf(out, "  \"abi\": [%u, %u],\n  \"operators\": [", (unsigned)plugin->abi_major, (unsigned)plugin->abi_minor);
  for (i = 0; i < plugin->count; ++i) {
    const fulmar_operator* op = plugin->operators == NULL ? NULL : plugin->operators[i];
    if (op == NULL || op->schema == NULL) return 1;
    fprintf(out, "%s\n    %s", i == 0 ? "" : ",", op->schema);
  }
  fputs("\n  ]\n}\n", out);
  return ferror(out);
}

#endif /* FULMAR_SIDECAR_H */
