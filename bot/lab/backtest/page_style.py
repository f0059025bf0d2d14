"""The page's style sheet: light and dark by the reader's system, print without colours of the screen."""

STYLE = """
:root{--bg:#fff;--fg:#1a1d21;--dim:#5c6570;--line:#d9dde2;--card:#f5f6f8;--c0:#0b57d0;--c1:#8a5a00;--c2:#0f7b4f;
--c3:#8b8f96;--down:#c2410c;--up:#0f7b4f;--s1:#7c3aed;--s2:#c4a7f7;--s3:#0b57d0;--s4:#9dbdf5;--s5:#c9ced6;--s6:#0f7b4f;
--s7:#d97706;--breakout:#0f7b4f;--euphoria:#d97706;--uncertainty:#7c3aed;--downtrend:#c2410c}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e8ea;--dim:#9aa3ad;--line:#30363d;--card:#1c2126;
--c0:#7fb0ff;--c1:#e0b05c;--c2:#5fd39b;--c3:#9aa3ad;--down:#ff8a5c;--up:#5fd39b;--s1:#a981ff;--s2:#5b4591;--s3:#7fb0ff;
--s4:#3b5d96;--s5:#4a525b;--s6:#5fd39b;--s7:#f0a848;--breakout:#5fd39b;--euphoria:#f0a848;--uncertainty:#a981ff;
--downtrend:#ff8a5c}}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,sans-serif}
main{max-width:1020px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:26px;margin:0 0 14px}h2{font-size:18px;margin:0 0 4px}section{margin:30px 0}
.note,.keys,.caveat{color:var(--dim);font-size:13px;margin:4px 0 8px}.caveat{border:1px solid var(--line);
padding:12px 14px;border-radius:8px;color:var(--fg);font-size:14px}
.head{display:flex;flex-wrap:wrap;gap:10px}.head div{background:var(--card);border-radius:8px;padding:10px 14px;
flex:1 1 150px}
.head b{display:block;font-size:19px;font-variant-numeric:tabular-nums}.head span{color:var(--dim);font-size:13px}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;
white-space:nowrap}
th,td{padding:4px 10px 4px 0;text-align:right;border-bottom:1px solid var(--line)}th{color:var(--dim);font-weight:500}
td:first-child,th:first-child{text-align:left}td{vertical-align:top}.span{display:block;color:var(--dim);
font-size:12px}.words td:nth-child(2),.words th:nth-child(2){text-align:left;white-space:normal}
svg{width:100%;height:auto;display:block}.grid{stroke:var(--line);stroke-width:.7}.tick{fill:var(--dim);font-size:11px}
.line{fill:none;stroke-width:1.3;stroke-linejoin:round}.line.c0{stroke-width:2}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}
.area{stroke:none;fill-opacity:.85}.area.c0{fill:var(--c0);fill-opacity:.15}.bar.c0{fill:var(--c0);stroke:none}
.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}.s4{fill:var(--s4)}.s5{fill:var(--s5)}.s6{fill:var(--s6)}
.s7{fill:var(--s7)}.down{fill:var(--down)}.up{fill:var(--up)}.band{fill-opacity:.13}
.band-breakout{fill:var(--breakout)}.band-euphoria{fill:var(--euphoria)}.band-uncertainty{fill:var(--uncertainty)}
.band-downtrend{fill:var(--downtrend)}.band-held{fill:var(--dim)}
.keys span{margin-right:16px;white-space:nowrap}.key{display:inline-block;width:12px;height:12px;border-radius:3px;
margin-right:6px;vertical-align:-1px}
.key.c0{background:var(--c0)}.key.c1{background:var(--c1)}.key.c2{background:var(--c2)}.key.c3{background:var(--c3)}
.key.s1{background:var(--s1)}.key.s2{background:var(--s2)}.key.s3{background:var(--s3)}.key.s4{background:var(--s4)}
.key.s5{background:var(--s5)}.key.s6{background:var(--s6)}.key.s7{background:var(--s7)}.key.down{background:var(--down)}
.key.up{background:var(--up)}.key.band-breakout{background:var(--breakout)}.key.band-euphoria{background:var(--euphoria)}
.key.band-uncertainty{background:var(--uncertainty)}.key.band-downtrend{background:var(--downtrend)}
.key.band-held{background:var(--dim)}.key[class*=band-]{opacity:.45}
summary{cursor:pointer;font-weight:600}@media print{main{max-width:none}section{break-inside:avoid}}
""".replace("\n", "")
