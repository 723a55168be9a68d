"""What is seen in a dump as it passes, however it is cut into chunks."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.database.dump import Contents, Inspector, major, version
from ops.packing import packed, unpacked
from ops.shelf import DamagedError
from ops.store import CHUNK

TRICKY = rb"""--
-- PostgreSQL database dump
--

\restrict token

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 16.2

SET client_encoding = 'UTF8';

CREATE FUNCTION public.says() RETURNS text LANGUAGE sql AS $$
COPY public.fake (id) FROM stdin;
-- PostgreSQL database dump complete
$$;

ALTER TABLE public.users OWNER TO app;

--
-- Data for Name: schema_migrations; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.schema_migrations (version, name, checksum) FROM stdin;
2	002_quiz	b
1	001_first	a
\.


--
-- Data for Name: Odd "name".; Type: TABLE DATA; Schema: My Schema; Owner: -
--

COPY "My Schema"."Odd ""name""." ("position", b) FROM stdin;
one	\\.
two	a\nb
three	\N
\.


--
-- Data for Name: none; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.none  FROM stdin;
\.


ALTER TABLE public.a
    ADD CONSTRAINT c FOREIGN KEY (x) REFERENCES public.b(y) NOT VALID;

GRANT SELECT ON TABLE public.users TO reporting;
GRANT ALL ON TABLE public.users TO "Big Boss" WITH GRANT OPTION;

--
-- PostgreSQL database dump complete
--

\unrestrict token

"""


def seen(chunks: list[bytes]) -> Contents:
    inspector = Inspector()
    assert list(inspector.watch(chunks)) == chunks
    return inspector.contents()


def test_rows_are_counted_where_they_stand() -> None:
    found = seen([TRICKY])
    assert found == Contents(
        tables={
            "public.schema_migrations": 2,
            '"My Schema"."Odd ""name""."': 3,
            "public.none": 0,
        },
        migrations=("001_first", "002_quiz"),
        server="15.18 (Debian 15.18-0+deb12u1)",
        tool="16.2",
        roles=("Big Boss", "app", "reporting"),
        unchecked=1,
        size=len(TRICKY),
    )
    assert (found.rows, found.schema, found.schema_says) == (5, 2, "schema 002")


@given(st.lists(st.integers(0, len(TRICKY)), max_size=40))
def test_however_it_is_cut(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(TRICKY)]
    chunks = [TRICKY[a:b] for a, b in pairwise(ends)]
    assert seen(chunks) == seen([TRICKY])


def test_byte_by_byte() -> None:
    assert seen([bytes([byte]) for byte in TRICKY]) == seen([TRICKY])


@pytest.mark.parametrize("end", range(0, len(TRICKY) - 40, 37))
def test_wherever_it_is_cut_off_it_is_no_dump(end: int) -> None:
    with pytest.raises(DamagedError):
        seen([TRICKY[:end]])


def test_what_comes_after_the_end_undoes_it() -> None:
    with pytest.raises(DamagedError, match="does not come to its end"):
        seen([TRICKY, b"DROP TABLE users;\n"])


def test_lines_without_end_take_no_memory() -> None:
    inspector = Inspector()
    inspector.see(b"SELECT pg_catalog.lowrite(0, '\\x")
    for _ in range(50):
        inspector.see(b"00" * 100_000)
    inspector.see(b"');\n" + TRICKY)
    assert len(inspector._rest) < 1000
    assert inspector.contents().rows == 5


@given(st.binary(max_size=2000), st.integers(1, 400))
def test_what_is_packed_comes_back(content: bytes, step: int) -> None:
    whole = b"".join(packed([content]))
    assert gzip.decompress(whole) == content
    chunks = [whole[at : at + step] for at in range(0, len(whole), step)]
    assert b"".join(unpacked(chunks)) == content


def test_several_parts_are_unpacked_as_one() -> None:
    """As parallel packers write them."""
    parts = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")
    assert b"".join(unpacked([parts])) == b"one two"
    assert b"".join(unpacked([bytes([byte]) for byte in parts])) == b"one two"


def test_what_unpacks_to_much_comes_in_small_chunks() -> None:
    bomb = gzip.compress(bytes(20 * CHUNK))
    sizes = [len(chunk) for chunk in unpacked([bomb])]
    assert sum(sizes) == 20 * CHUNK
    assert max(sizes) <= CHUNK


PACKED = gzip.compress(b"something")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (PACKED[:-1], "cut off"),
        (PACKED[:12], "cut off"),
        (PACKED[:-8] + bytes(8), "cannot be unpacked"),
        (b"SELECT 'not packed';", "cannot be unpacked"),
        (PACKED + b"and much more", "cannot be unpacked"),
    ],
    # The time is in what is packed: it would be in the names.
    ids=["empty", "end", "middle", "checksum", "plain", "more"],
)
def test_what_is_no_gzip_is_told(content: bytes, says: str) -> None:
    def chunks() -> Iterator[bytes]:
        if content:
            yield content

    with pytest.raises(DamagedError, match=says):
        list(unpacked(chunks()))


@pytest.mark.parametrize(
    ("text", "number"), [("15.18 (Debian)", 15), ("9.6", 9), ("", 0), ("devel", 0)]
)
def test_the_major_version_is_the_first_number(text: str, number: int) -> None:
    assert major(text) == number


def test_the_version_of_a_migration_is_its_number() -> None:
    assert (version("003_enhanced_logging"), version("other")) == (3, 0)
