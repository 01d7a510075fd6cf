/* SPDX-License-Identifier: Apache-2.0 */
/* fulmar_describe LIBRARY SIDECAR: writes the sidecar of a plugin that has just been built. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "fulmar_sidecar.h"

int main(int argc, char** argv) {
  const fulmar_plugin* (*entry)(void) = NULL;
  void *library, *symbol;
  FILE* out;
  int wrong;
  if (argc != 3) return fputs("usage: fulmar_describe LIBRARY SIDECAR\n", stderr), 2;
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return fprintf(stderr, "the plugin cannot be loaded: %s\n", dlerror()), 1;
  symbol = dlsym(library, "fulmar_plugin_1");
  if (symbol == NULL)
    return fprintf(stderr, "%s lacks the symbol fulmar_plugin_1, or hides it: see FULMAR_EXPORT\n", argv[1]), 1;
  memcpy(&entry, &symbol, sizeof entry); /* C knows no cast from an object to a function */
  out = fopen(argv[2], "w");
  if (out == NULL) return fprintf(stderr, "cannot write %s\n", argv[2]), 1;
  wrong = fulmar_write_sidecar(entry(), out);
  if (fclose(out) != 0 || wrong != 0) {
    remove(argv[2]);
    return fprintf(stderr, "%s does not tell what version 1 of the contract asks\n", argv[1]), 1;
  }
  return 0;
}
