"""Package description of nmtr_tf; settings of the tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "nmtr_tf/__init__.py").read_text())[1]

setup(
    name="nmtr_tf",
    version=VERSION,
    description="Recommend from several kinds of user behavior: NMTR in TensorFlow 2 / Keras 3",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    # The code of the commands is in nmtr_tf/cli. experiments/ holds entry points of a few lines each and the
    # benchmarks, for the repository: nobody wants a top-level package of that name among his own.
    packages=[*find_packages(include=["nmtr_tf", "nmtr_tf.*"]), "nmtr_tf.flags"],
    package_dir={"nmtr_tf.flags": "flags"},  # --method_settings finds them there
    package_data={
        "nmtr_tf": ["py.typed"],
        "nmtr_tf.reporting": ["templates/*"],
        "nmtr_tf.flags": ["*.flags", "*/*.flags", "*/*/*.flags"],
    },
    entry_points={"console_scripts": ["nmtr = nmtr_tf.cli.main:main"]},
    install_requires=[
        "tensorflow>=2.18",
        "keras>=3.12.1,!=3.13.0,!=3.13.1",  # the others can be tricked out of safe mode: SECURITY.md
        "numpy>=1.26.4",
        "pandas>=2.2.2",
        "absl-py>=2.1",
        "duckdb>=1.4",
        "jinja2>=3.1",
        "matplotlib>=3.8",
        "pyarrow>=16.1",
        "scipy>=1.12",
        "tabulate>=0.9",
        "tensorboard>=2.18",
        'tomli>=2.0; python_version < "3.11"',
        "tqdm>=4.66",
        "typing-extensions>=4.6",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.18"],
        # RecBole needs a version of ray that stops at Python 3.11; without it its benchmark is skipped.
        "peers": ["implicit>=0.7", 'recbole>=1.2.1; python_version < "3.12"'],
        "tune": ["optuna>=4.0"],
        "faiss": ["faiss-cpu>=1.14.2"],
        "dev": [
            "faiss-cpu>=1.14.2",
            "hypothesis>=6.140",
            "optuna>=4.0",
            "pytest>=8",
            "pytest-xdist>=3.6.1",
            "ruff>=0.6",
            "mypy>=1.11",
        ],
    },
)
