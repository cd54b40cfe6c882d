"""The programs that run in the measured terminals."""

from __future__ import annotations

import sys

MIB = 2**20
TEXT_BYTES = 64 * MIB
LINE = "the quick brown fox jumps over the lazy dog, 漢字 and all; " + "0123456789" * 2
TRANSCRIPT_LINES = 18
END = b"THE-END"

ECHO = "import os,tty\ntty.setraw(0)\nos.write(1,b'READY')\nwhile 1: os.write(1,os.read(0,99))"
# As an agent's screen: the key, and 3 ms later what it changes.
REDRAW = (
    "import os,time,tty\ntty.setraw(0)\nos.write(1,b'READY')\nwhile 1:\n"
    " k=os.read(0,9)\n os.write(1,k)\n time.sleep(0.003)\n os.write(1,b'<'+k+b'>')"
)
TEXT = (
    f"import os,sys\nline='{LINE}\\n'.encode()\nos.read(0,9)\n"
    f"n={TEXT_BYTES}//len(line)\nwhile n:\n k=min(n,50)\n os.write(1,line*k) and None\n n-=k\n"
    "os.write(1,b'THE-END')\nos.read(0,9)"
)
FULL_SCREEN = (
    "import os,sys\nos.write(1,b'\\x1b[?1049h\\x1b[2J\\x1b[?1000h\\x1b[?2004h\\x1b[?1h\\x1b[6n')\n"
    "sent=0\nn=0\nos.read(0,9)\n"
    "while sent<int(sys.argv[1]):\n n+=1\n"
    " b=b''.join(b'\\x1b[%d;1H\\x1b[3%dmrow %d of frame %d \\x1b[0m%s' % (r,r%8,r,n,b'-'*50)"
    " for r in range(1,25))\n"
    " os.write(1,b)\n sent+=len(b)\nos.write(1,b'THE-END')\nos.read(0,9)"
)
# As a build beside an agent: encoded data, wide characters and coloured redraws of the screen,
# a third of the bytes each.
MIXED = (
    "import base64,os,random,sys\nr=random.Random(1)\n"
    "data=base64.encodebytes(r.randbytes(8500)).replace(b'\\n',b'\\r\\n')\n"
    "wide=''.join(f'{n}: 漢字とかな交じり文 한글 🙂 e\\u0301\\r\\n' for n in range(230)).encode()\n"
    "def frame(n): return '\\x1b[H\\x1b[2J'+''.join(f'\\x1b[{y};1H'+''.join("
    "f'\\x1b[{r.choice((1,2,22))};38;5;{r.randrange(256)}m{w:6}' for w in range(n,n+12))"
    "+'\\x1b[0m\\x1b[K' for y in range(1,25))\n"
    "frames=''.join(map(frame,range(2))).encode()+b'\\x1b[24;1H\\r\\n'\n"
    "b=data+wide+frames\nos.read(0,9)\nsent=0\n"
    "while sent<int(sys.argv[1]):\n"
    " for at in range(0,len(b),4096): os.write(1,b[at:at+4096])\n sent+=len(b)\n"
    "os.write(1,b'THE-END')\nos.read(0,9)"
)
INLINE = (
    f"import os,sys\nos.read(0,9)\nfor n in range({TRANSCRIPT_LINES}):\n"
    " os.write(1,b'step %d.\\r\\n' % n)\n"
    "for n in range(int(sys.argv[1])):\n"
    " os.write(1,b'\\r\\x1b[2K\\x1b[35m*\\x1b[39m Thinking %d' % n)\n"
    "os.write(1,b'THE-END')\nos.read(0,9)"
)
# An agent with a command of its own in the background.
AGENT = (
    "import subprocess,sys,time\n"
    "p=subprocess.Popen(['sleep','62'],start_new_session=True)\n"
    "print(p.pid,file=open(sys.argv[1],'a'),flush=True)\ntime.sleep(60)"
)


def python(program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program."""
    return [sys.executable, "-c", program, *arguments]
