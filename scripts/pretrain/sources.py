"""The list of what the pretraining looks at: Debian packages (all from Debian 12 "main", hence under licences that the
Debian Free Software Guidelines accept) and npm packages. Owns names, kinds and shares; collect.py fetches and decodes.

kind: photo = mostly photographs, also cut into tiles; texture = photographs of surfaces and skies made for games;
art = paintings, renders, screenshots; sprite = pictures with transparency. share = relative weight in a batch."""

DEBIAN = {  # package: (kind, most pictures used)
    "gnome-backgrounds": ("photo", 400), "plasma-workspace-wallpapers": ("photo", 400),
    "lomiri-wallpapers-16.04": ("photo", 400), "lomiri-wallpapers-20.04": ("photo", 400),
    "mate-backgrounds": ("photo", 400), "ukui-wallpapers": ("photo", 400), "enlightenment-data": ("photo", 300),
    "lxqt-themes": ("photo", 300), "sway-backgrounds": ("art", 100), "desktop-base": ("art", 60),
    "palapeli-data": ("photo", 100), "opencv-doc": ("photo", 900), "python3-skimage": ("photo", 100),
    "stellarium-data": ("art", 600), "visp-images-data": ("photo", 100), "kalzium-data": ("photo", 200),
    "kstars-data": ("art", 300), "gimp-help-en": ("art", 500), "digikam-data": ("art", 100),
    "supertuxkart-data": ("texture", 2500), "flightgear-data-base": ("texture", 2500),
    "redeclipse-data": ("texture", 2000), "torcs-data": ("texture", 900), "trigger-rally-data": ("texture", 200),
    "nexuiz-textures": ("texture", 1500), "openarena-081-textures": ("texture", 1200),
    "ufoai-textures": ("texture", 1200), "searchandrescue-data": ("texture", 100), "megaglest-data": ("texture", 700),
    "extremetuxracer-data": ("texture", 200), "krita-data": ("texture", 200), "naev-data": ("art", 900),
    "wesnoth-1.16-data": ("art", 1500), "lincity-ng-data": ("art", 300), "hedgewars-data": ("art", 500),
    "pokerth-data": ("art", 150), "foobillardplus-data": ("art", 100), "widelands-data": ("art", 600),
    "tuxpaint-stamps-default": ("sprite", 1000), "openclipart-png": ("sprite", 3000),
    "oxygen-icon-theme": ("sprite", 900), "ktuberling-data": ("sprite", 100), "brainparty-data": ("sprite", 300),
    "sweethome3d-furniture": ("sprite", 1200),
}
FONTS = ["fonts-dejavu-core", "fonts-freefont-ttf", "fonts-lato", "fonts-open-sans", "fonts-linuxlibertine",
         "fonts-comfortaa", "fonts-lobster", "fonts-arphic-ukai"]
FREE_TEXT_LICENCES = {  # copyright files without "License:" fields, read by hand
    "gnome-backgrounds": "CC-BY-SA-3.0", "digikam-data": "GPL-2+", "nexuiz-textures": "GPL-2+",
    "searchandrescue-data": "GPL", "wesnoth-1.16-data": "GPL-2+", "openclipart-png": "public domain (dedication)",
    "fonts-arphic-ukai": "Arphic Public License", "gimp-help-en": "GFDL-1.2+"}
NPM = {  # package: (version, folder of the pictures, licence of the pictures)
    "emoji-datasource-twitter": ("16.0.0", "img/twitter/64", "CC-BY-4.0 (Twemoji)"),
    "@lobehub/fluent-emoji-3d": ("1.1.0", "assets", "MIT (Fluent emoji, Microsoft)"),
}
NOTO = ("emoji-datasource-google", "16.0.0")  # for make_datasets.py only; never used in pretraining
FASHION = "dataset-fashion-mnist"
SHARE = {"photo": 0.36, "texture": 0.14, "art": 0.10, "sprite": 0.14, "emoji": 0.14, "glyph": 0.02, "fashion": 0.10}
