"""Which fonts, from which npm packages; fetches them: `python fonts.py FOLDER`."""

import hashlib
import os
import subprocess
import sys
import tarfile

EXPO = "@expo-google-fonts/"
# package: (version, sha256 of the archive, files, how often they are drawn in relation to the others)
TRAINING = {
    EXPO + "amiri": (
        "0.4.1",
        "7228928b40d7c178cc00df1f5098dd7cce2d9294def732027c1f4be5c7abaddc",
        [
            "400Regular/Amiri_400Regular.ttf",
            "700Bold/Amiri_700Bold.ttf",
        ],
        3,
    ),
    EXPO + "scheherazade-new": (
        "0.4.3",
        "ab792bb2d6d1b10d843dc1597a1642b83bc8f99f70ded3b5c08a8181df590836",
        [
            "400Regular/ScheherazadeNew_400Regular.ttf",
            "600SemiBold/ScheherazadeNew_600SemiBold.ttf",
            "700Bold/ScheherazadeNew_700Bold.ttf",
        ],
        3,
    ),
    EXPO + "lateef": (
        "0.4.2",
        "224d5810500fa5c1e135ab1e6a4d9006bc399550dfbd8323a73814ed829522d4",
        [
            "400Regular/Lateef_400Regular.ttf",
            "700Bold/Lateef_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "harmattan": (
        "0.2.3",
        "cd2a9b6a63939bec41fdc7c1c4a0deb95aa46e3310b600cd61672b554ec45e0f",
        [
            "Harmattan_400Regular.ttf",
            "Harmattan_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "mirza": (
        "0.2.3",
        "733c47179f984df3e2982ecb51f374ab9196e349fa3e45b551720b5893b16eda",
        [
            "Mirza_400Regular.ttf",
            "Mirza_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "markazi-text": (
        "0.4.1",
        "4550ecb09fcbbfcb8a90e2ae51bb02881c000ef32e1f79cd035e57084a93d6da",
        [
            "400Regular/MarkaziText_400Regular.ttf",
            "700Bold/MarkaziText_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "noto-sans-arabic": (
        "0.4.3",
        "29e966f9d48a4ce7dd3c2c4c016f29cd888089538217303fb2c87de9e7f048ed",
        [
            "400Regular/NotoSansArabic_400Regular.ttf",
            "700Bold/NotoSansArabic_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "noto-kufi-arabic": (
        "0.4.3",
        "f1801c8e5055a53b93c6e6a4878e5e5dd1c5ed42c68ace518c9c88e2f76c6385",
        [
            "400Regular/NotoKufiArabic_400Regular.ttf",
            "700Bold/NotoKufiArabic_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "vazirmatn": (
        "0.4.1",
        "af22b2898f1e7fad4398cde6856f0e83f79393862b9b3811f71b114abb3742a3",
        [
            "400Regular/Vazirmatn_400Regular.ttf",
            "700Bold/Vazirmatn_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "ibm-plex-sans-arabic": (
        "0.4.2",
        "5ed540bd741bef113de95201a3ecdccdd2cf8d128dff2d0a7fb4864366b5e65f",
        [
            "400Regular/IBMPlexSansArabic_400Regular.ttf",
            "700Bold/IBMPlexSansArabic_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "cairo": (
        "0.4.2",
        "afa72a963e1d35be3e892a45d0bec1eb37be0bc24b8c8fc2f4b9571841a6f3da",
        [
            "400Regular/Cairo_400Regular.ttf",
            "700Bold/Cairo_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "tajawal": (
        "0.4.1",
        "b92887c940e5148b599dbe703d3c71ab5a1224088ab81b4daa6cde2c4d200dec",
        [
            "400Regular/Tajawal_400Regular.ttf",
            "700Bold/Tajawal_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "changa": (
        "0.4.2",
        "2869b9a6cea07e619a8b54b4834e756322d3bb9edae299d79d72cc2146140411",
        [
            "400Regular/Changa_400Regular.ttf",
            "600SemiBold/Changa_600SemiBold.ttf",
        ],
        1,
    ),
    EXPO + "el-messiri": (
        "0.4.2",
        "8ea1e1e21c7eb11a5ca2d91ee2d597af3951410dc39ca90718cb0be90da6d1ba",
        [
            "400Regular/ElMessiri_400Regular.ttf",
            "700Bold/ElMessiri_700Bold.ttf",
        ],
        1,
    ),
    EXPO + "reem-kufi": (
        "0.4.2",
        "b5e2adc4fd24f5d93a8f9b70e8bf7753c41da04ea72b51387bdaeca9501da62e",
        [
            "400Regular/ReemKufi_400Regular.ttf",
            "700Bold/ReemKufi_700Bold.ttf",
        ],
        1,
    ),
    EXPO + "mada": (
        "0.4.2",
        "6d0a1dbee3135abb13cc208a4f6417662e54a0350f288dc175dc855a32ea09ee",
        [
            "400Regular/Mada_400Regular.ttf",
            "700Bold/Mada_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "zain": (
        "0.4.0",
        "0d58b3b58b7b66d5e7d493e2fed4e0e0ec7331d3da8364372b0c6081b2cf30df",
        [
            "400Regular/Zain_400Regular.ttf",
            "700Bold/Zain_700Bold.ttf",
        ],
        1,
    ),
    EXPO + "kufam": (
        "0.2.3",
        "573cc7d318e442c10b20c88976cb6b317ad29acacef66feb85c6b5044d461fe9",
        [
            "Kufam_400Regular.ttf",
            "Kufam_700Bold.ttf",
        ],
        1,
    ),
    EXPO + "alexandria": (
        "0.4.2",
        "76d3ad37a581e9f18aa0f5617f5b88be184a5cbe1ed8d5fc22100430107e2458",
        [
            "400Regular/Alexandria_400Regular.ttf",
        ],
        1,
    ),
}
# Never shown in training. The specimens are drawn with Noto Naskh Arabic, so what is measured on them
# is measured on a font that the recogniser has not seen.
HELD_OUT = {
    EXPO + "noto-naskh-arabic": (
        "0.4.5",
        "2f93452f15b3bdd86b922be17f247986d4d0e2ae7a1ca51f5d80326b2680628e",
        [
            "400Regular/NotoNaskhArabic_400Regular.ttf",
            "700Bold/NotoNaskhArabic_700Bold.ttf",
        ],
        2,
    ),
    EXPO + "almarai": (
        "0.4.1",
        "7c50491128148dab34e71c0610d47e799c76e002f8c63814e7732a5690cdebc2",
        [
            "400Regular/Almarai_400Regular.ttf",
            "700Bold/Almarai_700Bold.ttf",
        ],
        1,
    ),
    "dejavu-fonts-ttf": (
        "2.37.3",
        "b7013ac58f9225250619db82cfb72e99c37ca8195f2b5a06a9e6a95bc5e1c84a",
        [
            "ttf/DejaVuSans.ttf",
            "ttf/DejaVuSans-Bold.ttf",
        ],
        1,
    ),
}


def paths(folder, fonts):
    """[(path, weight)] of the files, each as often as its weight says."""
    return [
        (os.path.join(folder, os.path.basename(f)), weight) for _, _, files, weight in fonts.values() for f in files
    ]


def fetch(folder):
    os.makedirs(folder, exist_ok=True)
    for package, (version, digest, files, _) in {**TRAINING, **HELD_OUT}.items():
        packed = subprocess.run(
            ["npm", "pack", "--silent", f"{package}@{version}"], cwd=folder, check=True, capture_output=True, text=True
        )
        archive = os.path.join(folder, packed.stdout.split()[-1])
        with open(archive, "rb") as file:
            got = hashlib.sha256(file.read()).hexdigest()
        if got != digest:
            sys.exit(f"{package} {version}: sha256 {got}, expected {digest}")
        with tarfile.open(archive) as tar:
            for name in files:
                with open(os.path.join(folder, os.path.basename(name)), "wb") as out:
                    out.write(tar.extractfile("package/" + name).read())
        os.unlink(archive)


if __name__ == "__main__":
    fetch(sys.argv[1])
