#!/usr/bin/env python3
"""Packs wheels anew, with the same files and times, by zopfli's deflate: a twentieth smaller, and unpacked by pip as before.

    tools/pack_wheel.py dist/*.whl          in their places; needs `pip install zopfli`, takes half a minute each

A wheel is replaced when the new one holds the same bytes in every file, and only then.
"""

import argparse
import os
import struct
import sys
import tempfile
import zipfile
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
UNIX = 3 << 8 | 20          # who made it: Unix, version 2.0 of the format


def deflated(data):
    """Raw deflate of bytes, by zopfli; None where storing takes less."""
    import zopfli.zopfli

    # as many blocks as it takes; without zlib's head and checksum
    packed = zopfli.zopfli.compress(data, gzip_mode=0, blocksplittingmax=0)[2:-4]
    return packed if len(packed) < len(data) else None


def packed_wheel(path):
    """The bytes of the wheel, packed anew."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        contents = [archive.read(member) for member in members]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        packed = list(pool.map(deflated, contents, chunksize=1))
    out, directory = bytearray(), bytearray()
    for member, data, small in zip(members, contents, packed, strict=True):
        name, method = member.filename.encode(), 0 if small is None else 8
        body = data if small is None else small
        year, month, day, hour, minute, second = member.date_time
        stamp = (hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day)
        sizes = (zlib.crc32(data), len(body), len(data), len(name))
        flags = 0 if name.isascii() else 0x800
        head = b"PK\x01\x02", UNIX, 20, flags, method, *stamp, *sizes
        directory += CENTRAL.pack(*head, 0, 0, 0, 0, member.external_attr, len(out))
        directory += name
        out += LOCAL.pack(b"PK\x03\x04", 20, flags, method, *stamp, *sizes, 0) + name + body
    end = END.pack(b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), len(out), 0)
    return bytes(out + directory + end)


def same_files(one, other):
    """Whether two wheels have the same files, in order, with the same bytes, times and modes."""
    with zipfile.ZipFile(one) as a, zipfile.ZipFile(other) as b:
        return b.testzip() is None and [
            (m.filename, m.date_time, m.external_attr, a.read(m)) for m in a.infolist()] == [
            (m.filename, m.date_time, m.external_attr, b.read(m)) for m in b.infolist()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", nargs="+", type=Path)
    for wheel in parser.parse_args().wheels:
        before = wheel.stat().st_size
        with tempfile.NamedTemporaryFile(dir=wheel.parent, prefix=".", suffix=".part", delete=False) as file:
            file.write(packed_wheel(wheel))
        if not same_files(wheel, file.name):
            os.unlink(file.name)
            sys.exit(f"pack_wheel: {wheel.name}: the new wheel has other files; the old one is as it was")
        os.chmod(file.name, wheel.stat().st_mode)
        os.replace(file.name, wheel)
        print(f"{wheel.name}: {before:,} -> {wheel.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
