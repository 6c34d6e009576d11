"""Draw photographs/forest and photographs/sea, 60 JPEGs each of any size, as a camera or a scraper would leave them."""

import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

COUNT = 60
TONES = {"forest": (90, 110, 70), "sea": (70, 100, 130)}

draw = random.Random(0)  # the same photographs in every run, so that baselines stay comparable
for scene, tone in TONES.items():
    folder = Path(__file__).parent / "photographs" / scene
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        width, height = draw.randint(60, 120), draw.randint(60, 120)
        photograph = Image.new("RGB", (width, height), tone)
        pencil = ImageDraw.Draw(photograph)
        light = draw.randint(20, 60)  # faint scenes are easy to fool, strong ones are not
        across, stripe = (width, width // 4) if scene == "forest" else (height, height // 4)
        for place in range(draw.randint(0, stripe), across, stripe):
            end = place + stripe // 2
            corners = [(place, 0), (end, height)] if scene == "forest" else [(0, place), (width, end)]
            pencil.rectangle(corners, fill=tuple(colour + light for colour in tone))
        for _ in range(60):  # leaves and foam
            x, y, size = draw.randint(0, width), draw.randint(0, height), draw.randint(2, 6)
            pencil.ellipse(
                [(x, y), (x + size, y + size)], fill=tuple(colour + draw.randint(0, light) for colour in tone)
            )
        photograph.filter(ImageFilter.GaussianBlur(1)).save(folder / f"{number:02d}.jpg", quality=90)
print(f"photographs: {COUNT} of each of {', '.join(TONES)}")
