"""One comparison as Ray tasks: each computes a part, and goes on where it was when Ray starts it again.

    python3 compare_ray.py --shards 64 --output report.html -- --presets few-steps --count 10000

What comes after `--` goes to `score-explorer compare`. The folder of the parts must be seen by all nodes.
"""

import argparse
import pathlib
import subprocess

import ray


@ray.remote(max_retries=10, retry_exceptions=True)
def part(program, words, shard, shards, path):
    """Computes a part, unless it is there already."""
    subprocess.run([program, "compare", *words, "--shard", f"{shard}/{shards}", "--output", path], check=True)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=8, help="number of parts")
    parser.add_argument("--cpus", type=float, default=2, help="processors of a task")
    parser.add_argument("--parts", default="parts", help="folder of the parts")
    parser.add_argument("--program", default="score-explorer")
    parser.add_argument("--output", default="report.html", help="a report (.html), or a folder")
    parser.add_argument("words", nargs="+", metavar="-- OPTIONS", help="options of `score-explorer compare`")
    args = parser.parse_args()

    ray.init()
    folder = pathlib.Path(args.parts).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [
        part.options(num_cpus=args.cpus).remote(
            args.program, args.words, shard, args.shards, str(folder / f"part-{shard}.sefd")
        )
        for shard in range(1, args.shards + 1)
    ]
    paths = ray.get(tasks)
    subprocess.run([args.program, "compare", "merge", *paths, "--output", args.output], check=True)


if __name__ == "__main__":
    main()
