"""String measures by their definitions, slowly."""

from __future__ import annotations


def jaro(s: str, t: str) -> float:
    if not s or not t:
        return float(s == t)
    reach = max(max(len(s), len(t)) // 2 - 1, 0)
    free = set(range(len(s)))
    pairs = []
    for j, character in enumerate(t):
        near = [i for i in sorted(free) if abs(i - j) <= reach and s[i] == character]
        if near:
            free.discard(near[0])
            pairs.append((near[0], j))
    if not pairs:
        return 0.0
    in_s = [s[i] for i, _ in sorted(pairs)]
    in_t = [t[j] for _, j in pairs]
    moved = sum(a != b for a, b in zip(in_s, in_t, strict=True)) // 2
    common = len(pairs)
    return (common / len(s) + common / len(t) + (common - moved) / common) / 3


def jaro_winkler(s: str, t: str) -> float:
    similarity = jaro(s, t)
    if similarity <= 0.7:
        return similarity
    prefix = 0
    for a, b in zip(s[:4], t[:4], strict=False):
        if a != b:
            break
        prefix += 1
    return min(similarity + prefix * 0.1 * (1 - similarity), 1.0)


def levenshtein(s: str, t: str) -> int:
    rows = [[max(i, j) if min(i, j) == 0 else 0 for j in range(len(t) + 1)] for i in range(len(s) + 1)]
    for i in range(1, len(s) + 1):
        for j in range(1, len(t) + 1):
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (s[i - 1] != t[j - 1]))
    return rows[-1][-1]


def osa(s: str, t: str) -> int:
    rows = [[max(i, j) if min(i, j) == 0 else 0 for j in range(len(t) + 1)] for i in range(len(s) + 1)]
    for i in range(1, len(s) + 1):
        for j in range(1, len(t) + 1):
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (s[i - 1] != t[j - 1]))
            if i > 1 and j > 1 and s[i - 1] == t[j - 2] and s[i - 2] == t[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]
