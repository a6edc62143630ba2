"""Small PNG files: at most 256 colours, which is enough for pictures of an interface."""

import base64
import struct
import zlib

from playwright.sync_api import Page

# The most frequent colours stay as they are, so that surfaces do. The others, of the edges of letters, are grouped.
REDUCE = """async (encoded) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(encoded), (byte) => byte.charCodeAt(0))]));
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
    const counts = new Map();
    for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
    const frequent = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
    const palette = frequent.slice(0, 128);
    const places = new Map(palette.map((color, place) => [color, place]));
    for (let bits = 8; bits > 2; bits--) {
        const part = (color, shift) => (color >>> shift) & (0x100 - (1 << (8 - bits)));
        const groups = new Map();
        for (const color of frequent.slice(128)) {
            const key = part(color, 0) | (part(color, 8) << 8) | (part(color, 16) << 16);
            if (!groups.has(key)) groups.set(key, palette.length + groups.size);
            places.set(color, groups.get(key));
        }
        if (groups.size > 128) continue;
        for (const color of frequent.slice(128)) palette[places.get(color)] ??= color;
        break;
    }
    const places8 = Uint8Array.from(pixels, (pixel) => places.get(pixel));
    let text = "";
    for (let at = 0; at < places8.length; at += 8192) text += String.fromCharCode(...places8.subarray(at, at + 8192));
    const parts = palette.flatMap((color) => [color & 255, (color >>> 8) & 255, (color >>> 16) & 255]);
    return [width, height, parts, btoa(text)];
}"""


def with_palette(page: Page, picture: bytes) -> bytes:
    """Return a PNG with at most 256 colours. The page reads the picture."""
    width, height, palette, places = page.evaluate(REDUCE, base64.b64encode(picture).decode())
    pixels = base64.b64decode(places)
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, width * height, width))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(palette)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
