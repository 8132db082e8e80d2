"""Everything the exhibit says to visitors, in every language it speaks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Texts:
    """One language.

    Attributes:
        language: Its own name for itself.
        title: Of the exhibit.
        draw: On the button; as short as can be, like the next three.
        erase: On the button.
        scramble: On the button.
        new_digit: On the button.
        help_draw: What to try while that tool is chosen; so the next two.
        help_erase: What to try.
        help_scramble: What to try.
        grow: A caption of the attract loop, as are the next seven.
        meet: Caption.
        wound: Caption.
        heal: Caption, for automata that do.
        watch: Caption, for all automata.
        scrambled: Caption.
        drawing: Caption.
        invite: Caption.
        still_there: Before the exhibit goes back to showing itself.
        waiting: While it starts.
        operator_page: Title of the operator's page.
        resume: Its button.
        reload: Its button.
        quit: Its button.
        reloading: While a checkpoint is loaded.
        reloaded: After that.
        operator_hold: Under the ring that fills while the operator's hold lasts.
    """

    language: str
    title: str
    draw: str
    erase: str
    scramble: str
    new_digit: str
    help_draw: str
    help_erase: str
    help_scramble: str
    grow: str
    meet: str
    wound: str
    heal: str
    watch: str
    scrambled: str
    drawing: str
    invite: str
    still_there: str
    waiting: str
    operator_page: str
    resume: str
    reload: str
    quit: str
    reloading: str
    reloaded: str
    operator_hold: str


TEXTS: dict[str, Texts] = {
    "en": Texts(
        language="English",
        title="Living digits",
        draw="Draw",
        erase="Erase",
        scramble="Scramble",
        new_digit="New digit",
        help_draw="Draw with your finger. The cells take up what you give them.",
        help_erase="Wipe part of the digit away and watch what the cells make of it.",
        help_scramble="Confuse some cells and watch what their neighbours do.",
        grow="From scattered dots, the cells put a digit together.",
        meet="Nobody is in charge: each cell sees only its eight neighbours.",
        wound="Now part of the digit is wiped away …",
        heal="… and the cells close the wound together.",
        watch="… watch what the cells make of it.",
        scrambled="Now some cells are confused …",
        drawing="A hand draws a line where none belongs …",
        invite="Touch the digit!",
        still_there="Are you still there? Just touch the screen.",
        waiting="The cells are waking up",
        operator_page="For the operator",
        resume="Back to the exhibit",
        reload="Reload the checkpoint",
        quit="Quit the program",
        reloading="Loading the checkpoint …",
        reloaded="Loaded",
        operator_hold="Operator: keep holding",
    ),
    "de": Texts(
        language="Deutsch",
        title="Lebende Ziffern",
        draw="Malen",
        erase="Wischen",
        scramble="Stören",
        new_digit="Neue Ziffer",
        help_draw="Male mit dem Finger. Die Zellen greifen auf, was du ihnen gibst.",
        help_erase="Wische ein Stück der Ziffer weg und sieh, was die Zellen daraus machen.",
        help_scramble="Bringe ein paar Zellen durcheinander und sieh, was ihre Nachbarn tun.",
        grow="Aus verstreuten Punkten setzen die Zellen eine Ziffer zusammen.",
        meet="Niemand führt Regie: Jede Zelle sieht nur ihre acht Nachbarn.",
        wound="Jetzt wird ein Stück der Ziffer weggewischt …",
        heal="… und gemeinsam schließen die Zellen die Wunde.",
        watch="… sieh, was die Zellen daraus machen.",
        scrambled="Jetzt geraten ein paar Zellen durcheinander …",
        drawing="Eine Hand zieht eine Linie, wo keine hingehört …",
        invite="Berühre die Ziffer!",
        still_there="Noch da? Berühre einfach den Bildschirm.",
        waiting="Die Zellen wachen auf",
        operator_page="Für die Betreuung",
        resume="Zurück zur Ausstellung",
        reload="Modell neu laden",
        quit="Programm beenden",
        reloading="Das Modell wird geladen …",
        reloaded="Geladen",
        operator_hold="Betreuung: weiter gedrückt halten",
    ),
    "fr": Texts(
        language="Français",
        title="Chiffres vivants",
        draw="Dessiner",
        erase="Effacer",
        scramble="Brouiller",
        new_digit="Autre chiffre",
        help_draw="Dessinez du doigt. Les cellules s’emparent de ce que vous leur donnez.",
        help_erase="Effacez un bout du chiffre et regardez ce que les cellules en font.",
        help_scramble="Brouillez quelques cellules et regardez ce que font leurs voisines.",
        grow="À partir de points épars, les cellules composent un chiffre.",
        meet="Personne ne commande : chaque cellule ne voit que ses huit voisines.",
        wound="Voici qu’on efface une partie du chiffre …",
        heal="… et les cellules referment ensemble la blessure.",
        watch="… regardez ce que les cellules en font.",
        scrambled="Voici que des cellules sont brouillées …",
        drawing="Une main trace une ligne là où il n’en faut pas …",
        invite="Touchez le chiffre !",
        still_there="Toujours là ? Touchez simplement l’écran.",
        waiting="Les cellules se réveillent",
        operator_page="Pour le personnel",
        resume="Revenir à l’exposition",
        reload="Recharger le modèle",
        quit="Quitter le programme",
        reloading="Chargement du modèle …",
        reloaded="Chargé",
        operator_hold="Personnel : maintenez la pression",
    ),
    "es": Texts(
        language="Español",
        title="Cifras vivas",
        draw="Dibujar",
        erase="Borrar",
        scramble="Revolver",
        new_digit="Otra cifra",
        help_draw="Dibuja con el dedo. Las células recogen lo que les das.",
        help_erase="Borra un trozo de la cifra y mira qué hacen las células con él.",
        help_scramble="Confunde a unas células y mira qué hacen sus vecinas.",
        grow="A partir de puntos dispersos, las células forman una cifra.",
        meet="Nadie dirige: cada célula solo ve a sus ocho vecinas.",
        wound="Ahora se borra una parte de la cifra …",
        heal="… y las células cierran juntas la herida.",
        watch="… mira qué hacen las células con ella.",
        scrambled="Ahora se confunden unas células …",
        drawing="Una mano traza una línea donde no debe haberla …",
        invite="¡Toca la cifra!",
        still_there="¿Sigues ahí? Basta con tocar la pantalla.",
        waiting="Las células se despiertan",
        operator_page="Para el personal",
        resume="Volver a la exposición",
        reload="Recargar el modelo",
        quit="Cerrar el programa",
        reloading="Cargando el modelo …",
        reloaded="Cargado",
        operator_hold="Personal: siga pulsando",
    ),
    "it": Texts(
        language="Italiano",
        title="Cifre vive",
        draw="Disegna",
        erase="Cancella",
        scramble="Scompiglia",
        new_digit="Altra cifra",
        help_draw="Disegna con il dito. Le cellule raccolgono ciò che dai loro.",
        help_erase="Cancella un pezzo della cifra e guarda che cosa ne fanno le cellule.",
        help_scramble="Confondi qualche cellula e guarda che cosa fanno le vicine.",
        grow="Da punti sparsi le cellule compongono una cifra.",
        meet="Nessuno comanda: ogni cellula vede solo le sue otto vicine.",
        wound="Ora una parte della cifra viene cancellata …",
        heal="… e insieme le cellule chiudono la ferita.",
        watch="… guarda che cosa ne fanno le cellule.",
        scrambled="Ora alcune cellule vengono confuse …",
        drawing="Una mano traccia una linea dove non ci vuole …",
        invite="Tocca la cifra!",
        still_there="Ci sei ancora? Basta toccare lo schermo.",
        waiting="Le cellule si svegliano",
        operator_page="Per il personale",
        resume="Torna alla mostra",
        reload="Ricarica il modello",
        quit="Chiudi il programma",
        reloading="Caricamento del modello …",
        reloaded="Caricato",
        operator_hold="Personale: continuare a premere",
    ),
    "nl": Texts(
        language="Nederlands",
        title="Levende cijfers",
        draw="Tekenen",
        erase="Wissen",
        scramble="Verwarren",
        new_digit="Nieuw cijfer",
        help_draw="Teken met je vinger. De cellen nemen over wat je ze geeft.",
        help_erase="Veeg een stuk van het cijfer weg en kijk wat de cellen ervan maken.",
        help_scramble="Breng een paar cellen in de war en kijk wat hun buren doen.",
        grow="Uit losse stippen stellen de cellen een cijfer samen.",
        meet="Niemand heeft de leiding: elke cel ziet alleen haar acht buren.",
        wound="Nu wordt een deel van het cijfer weggeveegd …",
        heal="… en samen sluiten de cellen de wond.",
        watch="… kijk wat de cellen ervan maken.",
        scrambled="Nu raken een paar cellen in de war …",
        drawing="Een hand trekt een lijn waar er geen hoort …",
        invite="Raak het cijfer aan!",
        still_there="Ben je er nog? Raak gewoon het scherm aan.",
        waiting="De cellen worden wakker",
        operator_page="Voor de beheerder",
        resume="Terug naar de tentoonstelling",
        reload="Model opnieuw laden",
        quit="Programma afsluiten",
        reloading="Het model wordt geladen …",
        reloaded="Geladen",
        operator_hold="Beheerder: blijf vasthouden",
    ),
}
"""Texts by language code (ISO 639-1)."""

LANGUAGES: tuple[str, ...] = tuple(TEXTS)

_CAPTIONS = {
    "grow": "grow",
    "meet": "meet",
    "wound": "wound",
    "heal": "heal",
    "watch": "watch",
    "scramble": "scrambled",
    "draw": "drawing",
    "invite": "invite",
}

CAPTION_NAMES: tuple[str, ...] = tuple(_CAPTIONS)
"""What an attract script can call the exhibit's own captions."""


def caption_text(name: str, language: str) -> str:
    """One of the exhibit's own captions.

    Args:
        name: One of `CAPTION_NAMES`.
        language: One of `LANGUAGES`.
    """
    text: str = getattr(TEXTS[language], _CAPTIONS[name])
    return text
