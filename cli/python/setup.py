# SPDX-License-Identifier: Apache-2.0
"""The module is built by CMake; here it is only put into a wheel of this machine and this Python."""
from setuptools import Distribution, setup


class WithModule(Distribution):
    def has_ext_modules(self):
        return True


setup(distclass=WithModule)
