"""Builds the C core of betafold_ext once per instruction set and precision, and links the variants into one module.

Environment:
    BETAFOLD_NO_OPENMP=1      build without threads (they are POSIX threads; OpenMP itself is never needed)
    BETAFOLD_CYTHON_DEBUG=1   bounds checks in Cython, assertions and debug symbols in C
    BETAFOLD_SANITIZE=1       address and undefined-behaviour sanitizers
    BETAFOLD_VECTOR_BYTES=64  vectors of that many bytes for every instruction set, which shows on any machine that
                              the lanes, tails and transposes of the widest one are right
"""

import os
import platform
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

CORE = Path("betafold_ext/core")
DEBUG = os.environ.get("BETAFOLD_CYTHON_DEBUG") == "1"
SANITIZE = os.environ.get("BETAFOLD_SANITIZE") == "1"
THREADS = os.environ.get("BETAFOLD_NO_OPENMP") != "1"
VECTOR_BYTES = os.environ.get("BETAFOLD_VECTOR_BYTES")

# Instruction set -> bytes of a vector, compiler flags. The baseline is what any other processor gets too.
X86 = platform.machine().lower() in ("x86_64", "amd64")
INSTRUCTION_SETS = {"baseline": (16, [])}
if X86:
    INSTRUCTION_SETS["avx2"] = (32, ["-march=x86-64-v3", "-mprfchw"])
    INSTRUCTION_SETS["avx512"] = (64, ["-march=x86-64-v4", "-mprfchw", "-mprefer-vector-width=512"])
if VECTOR_BYTES:
    # The compiler warns that such vectors cannot be passed to functions compiled otherwise; there are none.
    INSTRUCTION_SETS = {
        isa: (int(VECTOR_BYTES), [*flags, "-Wno-psabi"]) for isa, (_, flags) in INSTRUCTION_SETS.items()
    }

COMPILE_FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-fvisibility=hidden", "-fno-math-errno"]
if DEBUG or SANITIZE or VECTOR_BYTES:
    COMPILE_FLAGS += ["-O1", "-g1", "-UNDEBUG"]
else:
    COMPILE_FLAGS += ["-O3", "-g0", "-DNDEBUG"]
SANITIZE_FLAGS = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"] if SANITIZE else []


def write_if_changed(path, text):
    """Leaves the file's time alone when nothing changed, so that what depends on it is not built again."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(path)


def ideal_header():
    """The ideal geometry of betafold/geometry/ideal.py as C constants."""
    backbone = runpy.run_path("betafold/geometry/ideal.py")["BACKBONE"]
    lines = ["/* Generated from betafold/geometry/ideal.py (Engh & Huber 2001): Angstrom and radians. */"]
    lines += [f"#define IDEAL_{name} {value!r}" for name, value in backbone.items()]
    return "\n".join(lines) + "\n"


class BuildKernels(build_ext):
    """Compiles core/instance.c for every variant with its own flags, which setuptools cannot do by itself."""

    def build_extension(self, ext):
        build = Path(self.build_temp)
        flags = COMPILE_FLAGS + SANITIZE_FLAGS
        # Another compiler or another switch of the environment makes everything anew.
        configuration = f"{self.compiler.compiler_so} {flags} {INSTRUCTION_SETS} {THREADS}\n"
        ext.depends.append(write_if_changed(build / "ideal_geometry.h", ideal_header()))
        ext.depends.append(write_if_changed(build / "configuration.txt", configuration))
        ext.include_dirs += [str(CORE), str(build)]
        ext.libraries.append("m")
        ext.extra_compile_args += flags + ["-pthread"]
        ext.extra_link_args += [*SANITIZE_FLAGS, "-pthread"]
        if not THREADS:
            ext.define_macros.append(("BETAFOLD_NO_THREADS", None))
        if X86:
            ext.define_macros.append(("BETAFOLD_X86", None))
        if self.force or newer_group(ext.sources + ext.depends, self.get_ext_fullpath(ext.name)):
            variants = [(isa, real) for isa in INSTRUCTION_SETS for real in ("float", "double")]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for objects in pool.map(lambda variant: self.compile_variant(ext, flags, *variant), variants):
                    ext.extra_objects += objects
        super().build_extension(ext)

    def compile_variant(self, ext, flags, isa, real):
        vector_bytes, isa_flags = INSTRUCTION_SETS[isa]
        return self.compiler.compile(
            [str(CORE / "instance.c")],
            output_dir=str(Path(self.build_temp) / f"{isa}-{real}"),
            macros=[
                ("REAL", real),
                ("VECTOR_BYTES", str(vector_bytes)),
                ("TABLE", f"kernels_{isa}_{real}"),
                ("ISA_NAME", f'"{isa}"'),
            ],
            include_dirs=ext.include_dirs,
            extra_postargs=flags + isa_flags,
        )


def extensions():
    from Cython.Build import cythonize

    directives = {"language_level": 3, "boundscheck": DEBUG, "wraparound": False, "initializedcheck": DEBUG}
    # A place for each kind: Cython does not see that only a directive has changed.
    build_dir = "build/cython-debug" if DEBUG else "build/cython"
    kernels = Extension("betafold_ext._kernels", sources=["betafold_ext/_kernels.pyx"])
    (kernels,) = cythonize([kernels], compiler_directives=directives, build_dir=build_dir)
    kernels.sources += [str(CORE / name) for name in ("dispatch.c", "parallel.c", "rotation.c")]
    kernels.depends += [str(path) for path in sorted(CORE.glob("*.[ch]"))]
    return [kernels]


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildKernels},
)
