"""The pre-norm transformer block of ViT (Dosovitskiy et al., ICLR 2021).

x = x + MSA(LN(x)),  x = x + MLP(LN(x)), with stochastic depth per row of the batch.
"""

from timm.layers.drop import DropPath
from torch import Tensor, nn

from unmask.models.blocks.attention import Plug, SelfAttention


def mlp(dim: int, hidden: int) -> nn.Sequential:
    """Two linear layers with a GELU between them: D -> hidden -> D."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))


class TransformerBlock(nn.Module):
    """Self-attention and an MLP, each behind a layer norm and beside a skip."""

    def __init__(
        self,
        dim: int,
        heads: int,
        mlp_dim: int,
        *,
        head_dim: int | None = None,
        qkv_bias: bool = True,
        scale: float | None = None,
        eps: float = 1e-6,
        drop_path: float = 0.0,
        plug: Plug = "none",
    ) -> None:
        super().__init__()
        self.norm_attn = nn.LayerNorm(dim, eps=eps)
        self.attn = SelfAttention(
            dim, heads, head_dim=head_dim, qkv_bias=qkv_bias, scale=scale, plug=plug
        )
        self.norm_mlp = nn.LayerNorm(dim, eps=eps)
        self.mlp = mlp(dim, mlp_dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        tokens = tokens + self.drop_path(self.attn(self.norm_attn(tokens)))
        return tokens + self.drop_path(self.mlp(self.norm_mlp(tokens)))
